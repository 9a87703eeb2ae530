// Command hold measures what a waiting connection costs and whether anything is lost
// when the desktops come, with the same viewers and at the same time:
//
//   - ours: one replica of the activator holds viewers' signaling sockets for
//     sessions that have no pod yet;
//   - knative: stock Knative's activator holds the same viewers' upgrades, which it
//     answers only when there is a pod, for Services whose pods cannot be scheduled;
//   - floor: a minimal Go server accepts the sockets and waits, and never does more.
//
// Then all backends appear, ours first, then Knative's. Every viewer says what it has
// to say as soon as its socket is accepted, hears it all again from the backend, says
// one more thing, and hangs up: both sides of 10,000 connections are more than the
// file descriptors that a process commonly gets. The last line printed is one line of
// JSON about the largest number.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// viewersCommand makes this program the viewers of one contender.
	viewersCommand = "viewers"
	// arrivals is how many viewers come each second.
	arrivals = 1500
	// otherFiles is what a process opens besides one connection to each viewer: during
	// the replay some to backends, which the first viewers' hanging up makes room for.
	otherFiles = 1000
	// patience bounds a set-up, and the time until the last viewer was served.
	patience = 4 * time.Minute
)

// options are the flags.
type options struct {
	held     []int
	messages int
	sessions int
	knative  bool
	// settling lets the work of accepting be over and collected; holding is how long
	// the processor's time is taken.
	settling, holding time.Duration
}

func main() {
	var (
		o    options
		held string
	)
	flag.StringVar(&held, "held", "1000,5000,10000", "numbers of held connections")
	flag.IntVar(&o.messages, "messages", 4, "messages that each viewer sends while it is held, the HELLO included")
	flag.IntVar(&o.sessions, "sessions", 10, "sessions and Services that the connections are for")
	flag.DurationVar(&o.settling, "settling", 30*time.Second, "pause before the measurement")
	flag.DurationVar(&o.holding, "holding", time.Minute, "how long the processor's time is measured")
	flag.BoolVar(&o.knative, "knative", true, "compare with stock Knative; needs the test cluster")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if flag.Arg(0) == viewersCommand {
		err = beViewers(ctx, os.Stdin, os.Stdout)
	} else if err = o.parse(held); err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
}

func (o *options) parse(held string) error {
	for _, field := range strings.Split(held, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return fmt.Errorf("--held %q: must be numbers above 0, such as 1000,5000", held)
		}
		o.held = append(o.held, n)
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	if most := slices.Max(o.held); uint64(most+otherFiles) > files.Max {
		return fmt.Errorf("--held %d: a process here may open %d files, and needs %d more than it holds; raise the limit (ulimit -Hn) or hold fewer", most, files.Max, otherFiles)
	}
	if o.messages < 2 || o.sessions < 1 {
		return errors.New("--messages must be 2 or more, --sessions 1 or more")
	}
	if o.holding <= 0 {
		return fmt.Errorf("--holding %s: must be above 0", o.holding)
	}
	return nil
}

func run(ctx context.Context, o options) (err error) {
	us, err := newOurs(ctx, o.sessions)
	if err != nil {
		return err
	}
	contenders := []contender{us, &floor{}}
	if o.knative {
		k, err := newKnative(ctx, o.sessions)
		if err != nil {
			return errors.Join(err, us.end())
		}
		contenders = append(contenders, k)
	}
	defer func() {
		for _, c := range contenders {
			err = errors.Join(err, c.end())
		}
	}()
	var rows []row
	for _, n := range o.held {
		r, err := round(ctx, contenders, n, o)
		if err != nil {
			return fmt.Errorf("holding %d: %w", n, err)
		}
		rows = append(rows, r...)
	}
	report(os.Stdout, rows)
	return nil
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func encoded(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers and strings only
	}
	return append(raw, '\n')
}
