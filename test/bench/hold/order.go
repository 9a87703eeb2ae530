package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// endWithin is how long viewers may take to hang up.
const endWithin = 10 * time.Second

// order tells a process of viewers what to do; it is one line on its stdin. What
// comes back is one line when all have come, and one, the tally, when all are served.
type order struct {
	// Targets are visited in turn.
	Targets []target
	Viewers int
	// Messages is what each sends while it is held, the HELLO included.
	Messages int
	// PerSecond is how many come each second.
	PerSecond int
}

// target is where a viewer goes.
type target struct {
	// Address is what is dialled; the Host is in Header.
	Address string
	Path    string
	Header  http.Header
}

// tally is what all viewers of a process saw.
type tally struct {
	verdict
	// LastNanos is when the last viewer had heard everything, since 1970.
	LastNanos int64
	// Why is an example of what kept a viewer from being served.
	Why string
}

func (t tally) why() string {
	if t.Why == "" {
		return ""
	}
	return "; not served for one: " + t.Why
}

// viewers is a process of viewers, so that their memory and their file descriptors
// are nobody else's.
type viewers struct {
	cmd   *exec.Cmd
	stop  context.CancelFunc
	lines *bufio.Reader
	errs  bytes.Buffer
}

func startViewers(ctx context.Context, o order) (*viewers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	v := &viewers{cmd: exec.CommandContext(ctx, self, viewersCommand), stop: stop}
	v.cmd.Stdin, v.cmd.Stderr = bytes.NewReader(encoded(o)), &v.errs
	// Interrupted, it still says what it saw.
	v.cmd.Cancel = func() error { return v.cmd.Process.Signal(os.Interrupt) }
	v.cmd.WaitDelay = endWithin
	out, err := v.cmd.StdoutPipe()
	if err == nil {
		err = v.cmd.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("starting viewers: %w", err)
	}
	v.lines = bufio.NewReader(out)
	return v, nil
}

// arrived waits until all have sent their request.
func (v *viewers) arrived(ctx context.Context) error {
	_, err := v.line(ctx)
	return err
}

// served waits until all have heard everything, or cannot any more.
func (v *viewers) served(ctx context.Context) (tally, error) {
	var t tally
	line, err := v.line(ctx)
	if err == nil {
		err = json.Unmarshal(line, &t)
	}
	return t, err
}

func (v *viewers) line(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// The process's last line or its end is what ends a wait.
	stop := context.AfterFunc(ctx, v.stop)
	defer stop()
	line, err := v.lines.ReadBytes('\n')
	if err != nil {
		err = fmt.Errorf("viewers: %w: %s", err, v.errs.String())
	}
	return line, err
}

func (v *viewers) end() {
	v.stop()
	_ = v.cmd.Wait()
}
