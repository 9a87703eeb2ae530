// Command selkies16 measures what it is worth to be at Selkies 1.6's port before its loop
// sleeps. Its desktop is the stand-in with DESKTOP_BLOCK_LOOP=2s, in which time passes as
// in Selkies 1.6.2 while nobody is connected. In one run, in the same headless Chromium
// with an empty profile each time, it takes the time from opening the address to the first
// decoded video frame:
//
//   - first: a visit through the activator to a session that has never been awake;
//   - cold: the second visit to that session, asleep again at zero pods;
//   - left: a visit through the activator to a desktop that is awake and was left alone;
//   - warm: a visit to that desktop, left alone again, at its pod's own address, whose page it
//     serves itself.
//
// All get the installation's TURN server. The rounds alternate, so that what else the
// machine does meets all of them. With --busy every processor has something else to do, too.
// With --nginx the desktop is laid out as the images with nginx before Selkies.
// The last line printed is one line of JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/test/bench/look"
	"github.com/org/vdi-operator/test/harness"
)

const (
	namespace = "vdi-bench-selkies16"
	// patience bounds a set-up, a visit or a sleep.
	patience = 5 * time.Minute
	// blockLoop is Selkies 1.6.2's time.sleep(2).
	blockLoop = 2 * time.Second
	// startsIn is how long after its start Selkies listens in the best case. By itself
	// 1.6.2 took 0.27 to 1.2 s (interpreter and imports, everything in memory); in its
	// images supervisord and the X server come before it.
	startsIn = 500 * time.Millisecond
	// asksAfter is how long after that 1.6.2 misses its own port as its images have it: it comes too
	// early, and again 2 s later.
	asksAfter = 2 * time.Second
	// settled is how long a warm desktop has been up, or left alone, before its visit.
	settled = 10 * time.Second
	// cycle is how long the sleeps of Selkies' two apps take together. Without a random
	// part of it, each warm visit would begin at the same moment of them.
	cycle = 2 * blockLoop
)

func main() {
	rounds := flag.Int("rounds", 5, "visits of each kind")
	startDelay := flag.Duration("start-delay", startsIn, "how long after its start the desktop listens: real images take longer, the bare stand-in 15 ms")
	firstAsk := flag.Duration("first-ask", asksAfter, "how long after it listens the desktop first asks for its viewers: 90ms with old versions of its libraries")
	busy := flag.Bool("busy", false, "keep every processor busy meanwhile")
	nginx := flag.Bool("nginx", false, "lay the desktop out as the images that have nginx before Selkies")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *rounds, desktop{startDelay: *startDelay, firstAsk: *firstAsk, nginx: *nginx}, *busy); err != nil {
		fmt.Fprintln(os.Stderr, "selkies16:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, each desktop, busy bool) (err error) {
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
	defer func() {
		if err != nil {
			in.Describe(context.WithoutCancel(ctx), os.Stderr, namespace)
		}
		err = errors.Join(err, in.Client.Delete(context.WithoutCancel(ctx), ns))
	}()
	d := &desktops{in: in, desktop: each}
	defer func() { err = errors.Join(err, d.remove(context.WithoutCancel(ctx))) }()
	if err := within(ctx, d.setUp); err != nil {
		return err
	}
	if busy {
		defer load(ctx)()
	}
	results := map[string][]look.Timeline{}
	for round := range rounds {
		if err := d.round(ctx, round, results); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	report(os.Stdout, results, each, busy)
	return nil
}

// round makes one visit of each kind.
func (d *desktops) round(ctx context.Context, round int, results map[string][]look.Timeline) error {
	var s *slept
	err := within(ctx, func(ctx context.Context) (err error) {
		s, err = d.create(ctx, fmt.Sprintf("desk-%d", round))
		return err
	})
	if err != nil {
		return fmt.Errorf("creating a session: %w", err)
	}
	for _, visit := range []struct {
		name    string
		prepare func(context.Context) error
		address func(context.Context) (string, error)
	}{
		{nameFirst, s.asleep, s.link},
		{nameCold, s.asleep, s.link},
		{nameLeft, d.settle, d.link},
		{nameWarm, d.settle, d.direct},
	} {
		var took look.Timeline
		err := within(ctx, func(ctx context.Context) error {
			if err := visit.prepare(ctx); err != nil {
				return err
			}
			address, err := visit.address(ctx)
			if err != nil {
				return err
			}
			took, err = look.At(ctx, address)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", visit.name, err)
		}
		fmt.Fprintf(os.Stderr, "round %d  %-5s  first frame after %5d ms  %s\n", round+1, visit.name, took[look.Frame].Milliseconds(), took)
		results[visit.name] = append(results[visit.name], took)
	}
	return nil
}

// load keeps every processor busy until it is ended.
func load(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for range runtime.NumCPU() {
		running.Go(func() {
			n := 0
			for ctx.Err() == nil {
				n++
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// settle leaves the warm desktop alone for a while.
func (d *desktops) settle(ctx context.Context) error {
	select {
	case <-time.After(settled + rand.N(cycle)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return do(ctx)
}
