// Command instant measures how soon a person is at their desktop, and what a desktop that dozes
// takes of its node: ten demo desktops, side by side in one run.
//
//   - doze: they are frozen on a node without swap, so that their memory stays where it is;
//   - paged: they are frozen, and their memory is in swap: /dev/zram0, compressed;
//   - pool: they are frozen in a warm pool, and each visit is its session's first;
//   - zero: they sleep at zero pods;
//   - floor: a plain Deployment of the same image, scaled from 0 to 1 and visited at its pod's
//     own address.
//
// Each is visited by a program until the first byte of the desktop's answer, and by a new
// Chromium with an empty profile until the first decoded video frame.
//
// It needs the program on nodes (doze.enabled), and runs as root on the test cluster's one node,
// which has no swap before. The last line printed is one line of JSON.
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

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/test/harness"
)

const (
	namespace = "vdi-bench-instant"
	// patience bounds a set-up, a visit, or the way to a doze or to zero.
	patience = 5 * time.Minute
)

func main() {
	desktops := flag.Int("desktops", 10, "desktops of each kind")
	rounds := flag.Int("rounds", 3, "visits of each kind to each desktop that dozes; from zero it is one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *desktops, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "instant:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n, rounds int) (err error) {
	if n < 1 || rounds < 1 {
		return fmt.Errorf("--desktops %d --rounds %d: must be 1 or more", n, rounds)
	}
	in, err := harness.Open(ctx)
	if err != nil {
		return err
	}
	nodes, err := in.Programs(ctx, nodeapi.Component)
	if err != nil {
		return err
	}
	if len(nodes) != 1 {
		return fmt.Errorf("%d nodes run the program that freezes desktops, want the one that this is: install the chart with doze.enabled=true", len(nodes))
	}
	root, err := cgroup.Open("/sys/fs/cgroup")
	if err != nil {
		return err
	}
	if err := noSwap(); err != nil {
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
	b := &bench{in: in, root: root, desktops: n, each: rounds, results: map[string]*visits{}}
	defer func() { err = errors.Join(err, b.removeTemplates(context.WithoutCancel(ctx))) }()
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{{nameFloor, b.floor}, {nameZero, b.zero}, {namePool, b.pool}, {nameDoze, b.dozes}} {
		fmt.Fprintf(os.Stderr, "%s: %d desktops\n", part.name, n)
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	b.report(os.Stdout)
	return nil
}

func within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return do(ctx)
}
