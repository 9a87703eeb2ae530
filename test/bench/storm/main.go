// Command storm measures many wakes at once two ways, side by side in one run with one
// image: a request to each of many workloads at zero, all at the same time, until the last of
// their Deployments asks for a pod.
//
//   - ours: visitors' requests through our activator to sleeping sessions, on Knative, which
//     were awake before: what they run on is kept;
//   - knative: requests through stock Knative's activator to Services of its own autoscaler
//     class.
//
// No node may run the pods, so that starting them takes nothing from those who ask. Each
// contender has the cluster to itself. The last line printed is one line of JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/test/harness"
)

const (
	namespace = "vdi-bench-storm"
	// gateLabel is what the pods ask of a node and no node has.
	gateLabel = "vdi.kasm.io/bench-storm"
	// patience and, for each workload, patienceEach bound the making of one contender's
	// workloads and their end, patience the storm.
	patience     = 5 * time.Minute
	patienceEach = 3 * time.Second
)

// contender is one kind of workload that a request wakes.
type contender interface {
	name() string
	// setUp creates n workloads and waits until they could be woken.
	setUp(ctx context.Context, n int) error
	// visit asks the i-th for anything. It waits for a pod, and so returns an error only.
	visit(ctx context.Context, i int) error
}

// options are the flags.
type options struct {
	wakes    int
	settling time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.wakes, "wakes", 100, "workloads of each kind, woken at once; Knative makes one or two in a second")
	flag.DurationVar(&o.settling, "settling", 20*time.Second, "pause before a storm")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.wakes < 1 || o.settling < 0 {
		return fmt.Errorf("--wakes %d --settling %s: must be 1 or more, and 0 or more", o.wakes, o.settling)
	}
	in, err := harness.Open(ctx)
	if err != nil {
		return err
	}
	watcher, err := client.NewWithWatch(in.Config, client.Options{Scheme: in.Client.Scheme()})
	if err != nil {
		return err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	defer func() {
		err = errors.Join(err, client.IgnoreNotFound(in.Client.Delete(context.WithoutCancel(ctx), ns)))
	}()
	results := map[string]time.Duration{}
	for _, c := range []contender{&ours{in: in}, &stock{in: in}} {
		if err := setUp(ctx, in, c, o); err != nil {
			return fmt.Errorf("setting up %s: %w", c.name(), err)
		}
		if results[c.name()], err = storm(ctx, watcher, c, o.wakes); err != nil {
			return fmt.Errorf("waking %s: %w", c.name(), err)
		}
	}
	report(os.Stdout, o.wakes, results)
	return nil
}

// setUp makes one contender's workloads once those of the last are gone.
func setUp(ctx context.Context, in *harness.Installation, c contender, o options) error {
	fmt.Fprintf(os.Stderr, "setting up %d workloads for %s\n", o.wakes, c.name())
	within, cancel := context.WithTimeout(ctx, patience+time.Duration(o.wakes)*patienceEach)
	defer cancel()
	if err := in.Recreate(within, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return err
	}
	if err := c.setUp(within, o.wakes); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(o.settling):
		return nil
	}
}
