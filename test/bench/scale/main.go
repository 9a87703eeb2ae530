// Command scale measures what many sleeping sessions cost, and whether one that is visited
// notices them: the real operator and activator, on plain Deployments, with an API server and
// etcd of their own.
//
//   - made: how fast sessions are made, and then the objects of each and their bytes, as they
//     are stored;
//   - rest: the programs' memory, and how often the API server is written to while nobody does
//     anything, but for leases;
//   - edit: a template is changed, which concerns every session; amid that somebody visits a
//     session that the change has not come to, and waits until its Deployment asks for a pod;
//   - storm: that many sessions are visited at once, until the Deployment of each asks for a pod.
//
// A visit is a page load at the activator with its owner's token. Neither Kubernetes' own
// controllers nor a kubelet run: a ReplicaSet of each Deployment is not counted, and from the
// Deployment on a wake takes what `make bench-coldstart` says.
//
// Stock Knative's way from a request to a Deployment needs endpoints and a network between its
// activator and its autoscaler, which do not exist without a kubelet: storm compares with it.
// The last line printed is one line of JSON.
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
)

// options are the flags.
type options struct {
	sessions, storm int
	settling, quiet time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.sessions, "sessions", 1000, "sleeping sessions to make")
	flag.IntVar(&o.storm, "storm", 200, "how many are visited at once")
	flag.DurationVar(&o.settling, "settling", time.Minute, "pause before the programs' memory and a quiet time are measured")
	flag.DurationVar(&o.quiet, "quiet", 2*time.Minute, "how long the API server's writes are counted while nobody does anything")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func (o options) check() error {
	switch {
	case o.storm < 1 || o.sessions <= o.storm:
		return fmt.Errorf("--sessions %d --storm %d: --storm must be 1 or more, and --sessions more than that", o.sessions, o.storm)
	case o.settling < 0 || o.quiet <= 0:
		return fmt.Errorf("--settling %s --quiet %s: must be 0 or more, and above 0", o.settling, o.quiet)
	}
	return nil
}

func run(ctx context.Context, o options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	s, err := openScene(ctx, o)
	defer func() { err = errors.Join(err, s.close()) }()
	if err != nil {
		return err
	}
	r, err := s.play(ctx)
	if err != nil {
		return err
	}
	report(os.Stdout, r)
	return nil
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
