// Command coldstart measures a cold start three ways, side by side in one run with
// one image:
//
//   - ours: a visitor's request through our activator, from zero pods until the
//     backend's first byte;
//   - knative: a request through stock Knative's activator to a stock Knative
//     Service of its own autoscaler class, likewise;
//   - floor: a plain Deployment scaled from 0 to 1 until its port accepts TCP, its
//     address learnt from the API.
//
// The rounds alternate, so that what else the machine does meets all three. The
// last line printed is one line of JSON.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/test/harness"
)

const (
	namespace = "vdi-bench"
	// roundPatience bounds one cold start with its way back to zero.
	roundPatience = 5 * time.Minute
)

// contender is one way to a cold start.
type contender interface {
	name() string
	// setUp creates the workload and waits until it is ready at zero.
	setUp(ctx context.Context) error
	// wake runs one cold start and returns how long it took.
	wake(ctx context.Context) (time.Duration, error)
	// settle waits until the workload is at zero again.
	settle(ctx context.Context) error
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
	if err := in.Client.Create(ctx, ns); client.IgnoreAlreadyExists(err) != nil {
		return err
	}
	us := &ours{in: in, stages: map[string][]time.Duration{}}
	contenders := []contender{us, &stock{in: in}, &plain{in: in}}
	results := map[string][]time.Duration{}
	for _, c := range contenders {
		if err := within(ctx, c.setUp); err != nil {
			return fmt.Errorf("setting up %s: %w", c.name(), err)
		}
	}
	// The first start of each pulls, caches and connects; it does not count.
	for round := range rounds + 1 {
		for _, c := range contenders {
			var took time.Duration
			err := within(ctx, func(ctx context.Context) (err error) {
				took, err = c.wake(ctx)
				return err
			})
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round, c.name(), err)
			}
			if err := within(ctx, c.settle); err != nil {
				return fmt.Errorf("round %d, %s back to zero: %w", round, c.name(), err)
			}
			if round == 0 {
				us.stages = map[string][]time.Duration{}
				continue
			}
			fmt.Fprintf(os.Stderr, "round %2d  %-8s %5d ms\n", round, c.name(), took.Milliseconds())
			results[c.name()] = append(results[c.name()], took)
		}
	}
	report(os.Stdout, results, us.stages)
	return in.Client.Delete(ctx, ns)
}

func within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, roundPatience)
	defer cancel()
	return do(ctx)
}
