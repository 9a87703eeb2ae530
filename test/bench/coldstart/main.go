// Command coldstart measures a cold start four ways, and a start from a doze, side by side in
// one run with one image:
//
//   - ours: a visitor's request through our activator, from zero pods until the
//     backend's first byte;
//   - ours-api: the same without the agent beside the backend, so that its address is
//     learnt from the API;
//   - ours-doze: as ours, for a desktop that its node has frozen;
//   - knative: a request through stock Knative's activator to a stock Knative
//     Service of its own autoscaler class, likewise;
//   - floor: a plain Deployment scaled from 0 to 1 until its port accepts TCP, its
//     address learnt from the API.
//
// Without the program on nodes (doze.enabled) there is no ours-doze. Every round wakes another
// workload, so that nobody waits for one to sleep, and the rounds alternate, so that what else
// the machine does meets all. The last line printed is one line of JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/test/harness"
)

const (
	namespace = "vdi-bench"
	// patience bounds a set-up or a cold start.
	patience = 5 * time.Minute
	// relistPeriod is kubelet's (k8s.io/kubernetes v1.35.4, pkg/kubelet/kubelet.go,
	// genericPlegRelistPeriod).
	relistPeriod = time.Second
	// asleepAgain is longer than a run: a desktop that falls asleep meanwhile would
	// disturb the others.
	asleepAgain = 30 * time.Minute
)

// contender is one way to a cold start.
type contender interface {
	name() string
	// setUp creates n workloads and waits until they are ready at zero.
	setUp(ctx context.Context, n int) error
	// wake starts the i-th workload and returns how long it took.
	wake(ctx context.Context, i int) (time.Duration, error)
}

func main() {
	rounds := flag.Int("rounds", 10, "cold starts of each kind")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "coldstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int) (err error) {
	if rounds < 1 {
		return fmt.Errorf("--rounds %d: must be 1 or more", rounds)
	}
	in, err := harness.Open(ctx)
	if err != nil {
		return err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := in.Recreate(ctx, ns); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Client.Delete(context.WithoutCancel(ctx), ns)) }()
	us, api := newOurs(in, nameOurs, true), newOurs(in, nameOursAPI, false)
	contenders := []contender{us, api, &stock{in: in}, newFloor(in)}
	nodes, err := in.Programs(ctx, nodeapi.Component)
	if err != nil {
		return err
	}
	if len(nodes) > 0 {
		contenders = append(contenders, &dozing{ours: newOurs(in, nameDoze, true)})
	}
	results := map[string][]time.Duration{}
	for _, c := range contenders {
		fmt.Fprintf(os.Stderr, "setting up %d workloads for %s\n", rounds+1, c.name())
		if err := within(ctx, func(ctx context.Context) error { return c.setUp(ctx, rounds+1) }); err != nil {
			return fmt.Errorf("setting up %s: %w", c.name(), err)
		}
	}
	// The first start of each caches and connects; it does not count.
	for round := range rounds + 1 {
		for _, c := range contenders {
			// kubelet looks at its containers once a second. Without this, each start
			// would begin at the same moment of that second.
			time.Sleep(rand.N(relistPeriod))
			var took time.Duration
			err := within(ctx, func(ctx context.Context) (err error) {
				took, err = c.wake(ctx, round)
				return err
			})
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round, c.name(), err)
			}
			fmt.Fprintf(os.Stderr, "round %2d  %-8s %5d ms\n", round, c.name(), took.Milliseconds())
			if round > 0 {
				results[c.name()] = append(results[c.name()], took)
			} else {
				clear(us.stages)
				clear(api.stages)
			}
			// kubelet is still busy with the pod that has just started.
			if err := in.AllReady(ctx, namespace); err != nil {
				return err
			}
		}
	}
	report(os.Stdout, results, map[string]stages{nameOurs: us.stages, nameOursAPI: api.stages})
	return nil
}

func within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return do(ctx)
}
