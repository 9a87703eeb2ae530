// Command sessions measures what sessions cost while nobody uses them, beside what
// Kubernetes asks for the least:
//
//   - ours: sessions with a home, asleep;
//   - knative: stock Knative Services at zero, with the same image;
//   - floor: plain Deployments at zero, each with a Service.
//
// Each contender makes its workloads in a namespace of its own, and all of them wait
// there at zero pods until the end. What is counted is what the API server then holds
// in that namespace, object by object, and its bytes in the encoding in which the API
// server stores it. While ours are made, and in a quiet minute before and after, the
// memory and the processor time of the operator and of the activator are read from
// their processes: they run on this machine, the test cluster's. The last line printed
// is one line of JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/bench/census"
	"github.com/org/vdi-operator/test/harness"
)

const (
	namespacePrefix = "vdi-bench-"
	// patience and, for each workload, patienceEach bound the making of one contender's
	// workloads, and their end.
	patience     = 10 * time.Minute
	patienceEach = 3 * time.Second
	// writers make workloads at the same time.
	writers = 8
)

// contender is one kind of workload that waits at zero pods.
type contender interface {
	name() string
	// make creates the i-th workload.
	make(ctx context.Context, i int) error
	// atZero returns nil once all n workloads could be woken.
	atZero(ctx context.Context, n int) error
}

func main() {
	sessions := flag.Int("sessions", 200, "sessions to make")
	others := flag.Int("others", 50, "stock Knative Services and plain Deployments to make; 0 leaves the comparison out")
	stockKnative := flag.Bool("knative", true, "compare with stock Knative; false where there is none")
	var q quiet
	flag.DurationVar(&q.settling, "settling", 30*time.Second, "pause before a quiet time is measured")
	flag.DurationVar(&q.measured, "quiet", time.Minute, "how long a quiet time is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(logr.Discard())
	if err := run(ctx, *sessions, *others, *stockKnative, q); err != nil {
		fmt.Fprintln(os.Stderr, "sessions:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, sessions, others int, stockKnative bool, q quiet) (err error) {
	if sessions < 1 || others < 0 {
		return fmt.Errorf("--sessions %d --others %d: must be 1 or more, and 0 or more", sessions, others)
	}
	if q.measured <= 0 {
		return fmt.Errorf("--quiet %s: must be above 0", q.measured)
	}
	in, err := harness.Find()
	if err != nil {
		return err
	}
	if in.PortForward {
		return fmt.Errorf("the programs' memory is read from their processes: %w", harness.ErrNotOurs)
	}
	count, err := census.New(in.Config)
	if err != nil {
		return err
	}
	tpl := template(in.BenchImage)
	if err := in.Recreate(ctx, tpl); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Client.Delete(context.WithoutCancel(ctx), tpl)) }()
	results := map[string]*result{}
	contenders := []contender{&ours{in: in}}
	if others > 0 {
		contenders = append(contenders, &floor{in: in})
		if stockKnative {
			contenders = append(contenders, &stock{in: in})
		}
	}
	for _, c := range contenders {
		n := sessions
		if c.name() != nameOurs {
			n = others
		}
		if results[c.name()], err = measure(ctx, in, count, c, n, q); err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	report(os.Stdout, results)
	return nil
}

// result is what n workloads of one contender cost.
type result struct {
	n      int
	census census.Tally
	// took is how long it took from the first creation until all could be woken.
	took time.Duration
	// stored is by how much the API server's database grew, its history included.
	stored int64
	// programs are empty for all but ours.
	programs map[string]cost
}

// measure makes n workloads, counts them, and removes them.
func measure(ctx context.Context, in *harness.Installation, count *census.Census, c contender, n int, q quiet) (r *result, err error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespaceOf(c)}}
	within := patience + time.Duration(n)*patienceEach
	if err := gone(ctx, in, ns, within); err != nil {
		return nil, err
	}
	if err := in.Client.Create(ctx, ns.DeepCopy()); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, gone(context.WithoutCancel(ctx), in, ns, within)) }()

	r = &result{n: n}
	var watched *programs
	if c.name() == nameOurs {
		if watched, err = watch(ctx, in, q); err != nil {
			return nil, err
		}
	}
	before, err := count.Stored(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "making %d workloads for %s\n", n, c.name())
	began := time.Now()
	if err := makeAll(ctx, c, n); err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := eventually.Wait(wait, c.name()+" to be at zero", func() error { return c.atZero(ctx, n) }); err != nil {
		return nil, err
	}
	r.took = time.Since(began)
	if watched != nil {
		if r.programs, err = watched.cost(ctx); err != nil {
			return nil, err
		}
	}
	if r.census, err = count.Namespace(ctx, ns.Name); err != nil {
		return nil, err
	}
	after, err := count.Stored(ctx)
	r.stored = after - before
	return r, err
}

func namespaceOf(c contender) string { return namespacePrefix + c.name() }

func makeAll(ctx context.Context, c contender, n int) error {
	var group sync.WaitGroup
	failures, next := make(chan error, writers), make(chan int)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range writers {
		group.Go(func() {
			for i := range next {
				if err := c.make(ctx, i); err != nil {
					failures <- err
					cancel()
					return
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	group.Wait()
	close(failures)
	return <-failures
}

// gone deletes a namespace and waits until nothing is left of it.
func gone(ctx context.Context, in *harness.Installation, ns *corev1.Namespace, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return eventually.Wait(ctx, "namespace "+ns.Name+" to be gone", func() error {
		err := in.Client.Delete(ctx, ns.DeepCopy())
		if apierrors.IsNotFound(err) {
			return nil
		}
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			return err
		}
		return errors.New("it still holds objects")
	})
}
