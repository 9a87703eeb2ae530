// Command platform brings up what the demo, the end-to-end tests and the
// benchmarks run on: a cluster with Knative, this tree's images and the chart.
//
//	platform up                bring it up and leave it
//	platform run -- COMMAND    bring it up, run COMMAND, take down what was brought
//	platform down              take everything down
//
// A cluster that runs already is used and left running. With KUBECONFIG set, the
// cluster it names is used; images are then pushed to the registry in VDI_REGISTRY,
// for PLATFORMS, without TLS where INSECURE is true.
// With VDI_KNATIVE=false desktops run on plain Deployments.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

const usage = "usage: platform up | run -- COMMAND [ARGUMENT...] | down"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) && failed.ExitCode() > 0 {
			fmt.Fprintln(os.Stderr, "platform:", err)
			os.Exit(failed.ExitCode())
		}
		fmt.Fprintln(os.Stderr, "platform:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	p, err := newPlatform()
	if err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "up":
		return p.up(ctx)
	case len(args) == 1 && args[0] == "down":
		return p.down(ctx)
	case len(args) > 2 && args[0] == "run" && args[1] == "--":
		return p.run(ctx, args[2:])
	}
	return errors.New(usage)
}

// step prints what is being done and how long it took.
func step(what string, do func() error) error {
	began := time.Now()
	fmt.Fprintf(os.Stderr, "==> %s\n", what)
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	fmt.Fprintf(os.Stderr, "    %s: %.1f s\n", what, time.Since(began).Seconds())
	return nil
}
