// Command relay measures what the way through the activator costs once the desktop is
// there, against HAProxy's and nginx's with the same WebSockets to the same backend,
// and against none:
//
//   - 64-byte messages, there and back, on 50 connections at a fixed total rate: how
//     long each takes; then as fast as each connection's answers come: how many;
//   - a binary stream of 50 Mbit/s in 60 frames a second from the backend: how late
//     frames are, and what the proxy's processor does for it; then as fast as it is
//     taken: how much arrives.
//
// Ours is measured twice with messages: as the signaling of Selkies 1.6, of which
// every message is read and checked, and as a plain WebSocket, of which none is.
//
// The contenders take turns within every round, so that what else the machine does
// meets all of them; figures are medians of the rounds. The last line printed is one
// line of JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	rounds := flag.Int("rounds", 11, "rounds that count; one more goes before them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int) (err error) {
	if rounds < 1 {
		return fmt.Errorf("--rounds %d: must be 1 or more", rounds)
	}
	a, err := openArena(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	results := map[string][]figures{}
	for round := range rounds + 1 {
		for _, c := range a.contenders {
			f, err := c.measure(ctx)
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round, c.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d  %-16s %s\n", round, c.name, f)
			if round > 0 {
				results[c.name] = append(results[c.name], f)
			}
		}
	}
	report(os.Stdout, results)
	return nil
}
