// Command abuse lets hostile visitors and a hostile desktop do their worst to one replica
// of the activator with its default limits and memory, and looks whether those who behave
// lose anything by it:
//
//   - before: well-behaved viewers relay, others are held, nobody else is there;
//   - desktop: the desktop of several sessions sends heads, bodies and messages without
//     end, or nothing at all, to accomplices who open all they can;
//   - client: visitors without a token, from many addresses, and others with tokens for
//     sleeping sessions open all they can and come again at once when they are refused;
//   - then the desktops of the held appear, all leave, and the replica has to be as before.
//
// A message that does not come back, comes back twice or out of order, a connection that
// closes and a held viewer who is not served are lost. The program fails when one is, when
// the replica's resident memory was above the chart's limit, and when it keeps something
// for attackers who have gone.
//
// Where the machine lets it, the replica is in a control group with the limit, as in a
// container. The table has what the kernel keeps in the buffers of its connections too:
// with cgroups of version 2 a container's limit counts those.
//
// The attackers are a process of lower priority, but they, the viewers and the replica
// share the machine: the latency during the attacks says that nobody is starved, not what
// an attacker elsewhere could add to it. What a load balancer has to stop, floods of the
// line and of handshakes, is not measured. The last line printed is one line of JSON.
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

	"golang.org/x/sys/unix"
)

// attackersCommand makes this program the attackers of one phase.
const attackersCommand = "attackers"

// needsFiles is what attackers open at once, and the replica for them.
const needsFiles = 12000

// options are the flags.
type options struct {
	viewers, held int
	before, each  time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.viewers, "viewers", 100, "well-behaved viewers that relay")
	flag.IntVar(&o.held, "held", 100, "well-behaved viewers that are held")
	flag.DurationVar(&o.before, "before", 15*time.Second, "how long there is no attack")
	flag.DurationVar(&o.each, "each", time.Minute, "how long each attack takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if flag.Arg(0) == attackersCommand {
		err = beAttackers(ctx, os.Stdin, os.Stdout)
	} else if err = o.check(); err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "abuse:", err)
		os.Exit(1)
	}
}

func (o options) check() error {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	switch {
	case files.Max < needsFiles:
		return fmt.Errorf("a process here may open %d files, and %d are needed: raise the limit (ulimit -Hn)", files.Max, needsFiles)
	case o.viewers < 1 || o.held < 1:
		return errors.New("--viewers and --held must be 1 or more")
	case o.before <= 0 || o.each <= 0:
		return errors.New("--before and --each must be above 0")
	}
	return nil
}

func run(ctx context.Context, o options) (err error) {
	s, err := openScene(ctx, o)
	defer func() { err = errors.Join(err, s.close()) }()
	if err != nil {
		return err
	}
	r, err := s.play(ctx, o)
	if err != nil {
		return err
	}
	report(os.Stdout, r)
	return r.verdict()
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
