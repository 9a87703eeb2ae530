// Command streamer is the demo desktop: a small, honest test double for Selkies 1.6, or for
// another desktop that DESKTOP_PROTOCOL names. It is a real X desktop, streamed as VP8 over
// WebRTC or a WebSocket, so that the product can be tried and tested without a GPU or a
// large image. It promises to speak to browsers and gateways as that desktop does, to start
// fast, and to misbehave on request (see README.md). It does not know about Kubernetes,
// resize, clipboard, sound, gamepads or hardware encoding. Real sessions run Selkies.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/jezek/xgb"

	"github.com/org/vdi-operator/test/desktop/internal/app"
	"github.com/org/vdi-operator/test/desktop/internal/display"
	"github.com/org/vdi-operator/test/desktop/internal/iceconfig"
	"github.com/org/vdi-operator/test/desktop/internal/process"
	"github.com/org/vdi-operator/test/desktop/internal/rootstart"
)

const (
	// childGrace is how long programs get to end by themselves. All of the end must fit
	// into a second.
	childGrace    = 300 * time.Millisecond
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

func main() {
	start := time.Now()
	xgb.Logger.SetOutput(io.Discard) // it tells of a missing .Xauthority at every connection
	if len(os.Args) == 3 && os.Args[1] == "sketch" {
		if err := display.Sketch(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "sketch:", err)
			os.Exit(1)
		}
		return
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	marks := &milestones{start: start, log: log, first: map[string]float64{}}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, marks)
	stop()
	if err != nil {
		log.Error("the desktop has failed", "error", err.Error())
		status := 1
		var failure *rootstart.Failure
		if errors.As(err, &failure) {
			fmt.Fprintln(os.Stderr, failure.Says)
			status = failure.Status
		}
		os.Exit(status)
	}
	marks.mark("ended")
}

func run(ctx context.Context, marks *milestones) error {
	c, err := readConfig(os.Getenv)
	if err != nil {
		return err
	}
	if c.layout == lsio {
		if err := rootstart.Become(c.user, c.home, os.Stderr); err != nil {
			return err
		}
	}
	servers, err := iceconfig.New(os.Getenv, marks.log)
	if err != nil {
		return err
	}
	if crash, err := countStart("DESKTOP_CRASH_ON_START", c.crashes, c.stateDir); err != nil {
		return err
	} else if crash {
		return errors.New("asked to crash by DESKTOP_CRASH_ON_START")
	}
	home, persists, err := usableHome(c.home)
	if err != nil {
		return fmt.Errorf("make a home folder: %w", err)
	}
	if !persists {
		marks.log.Warn("the home folder cannot be written, using one that will not persist", "wanted", c.home, "used", home)
	}
	if c.layout != bare {
		if c.front.dir, err = os.MkdirTemp("", "front-"); err != nil {
			return fmt.Errorf("make a folder for nginx: %w", err)
		}
		defer func() { _ = os.RemoveAll(c.front.dir) }()
	}
	group, err := process.Own(marks.log)
	if err != nil {
		return err
	}
	defer group.Shutdown(childGrace)

	s := &screen{config: c, marks: marks, group: group, ready: make(chan struct{})}
	a, err := app.New(app.Options{
		Servers: func(ctx context.Context) iceconfig.Config { return servers.Get(ctx, "selkies-host") },
		Screen:  s.wait, Mark: marks.mark, LoopbackOnly: c.loopback, Log: marks.log,
	})
	if err != nil {
		return err
	}
	d := &desktop{listening: make(chan struct{}), config: c, home: home, persists: persists, marks: marks, screen: s, app: a, servers: servers}
	d.speaks = d.speak()
	return d.serve(ctx)
}

// serve runs the parts until ctx ends or one of them fails.
func (d *desktop) serve(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var parts sync.WaitGroup
	defer parts.Wait()
	part := func(work func() error) {
		parts.Go(func() {
			if err := work(); err != nil && ctx.Err() == nil {
				fail(err)
			}
		})
	}
	handler := d.routes()
	if exits, err := countStart("DESKTOP_EXIT_ON_UPGRADE", d.config.exits, d.config.stateDir); err != nil {
		return err
	} else if exits {
		handler = d.dieAtUpgrade(handler)
	}
	if d.config.exitAfter > 0 {
		part(func() error { d.dieLater(ctx); return nil })
	}
	if d.join != nil {
		part(func() error { return d.joinLater(ctx) })
	}
	if d.loop != nil {
		handler = d.loop.through(handler)
		part(func() error {
			select {
			case <-d.listening:
				d.loop.run(ctx)
			case <-ctx.Done():
			}
			return nil
		})
	}
	if d.config.slowAccept > 0 {
		handler = slowly(d.marks.start.Add(d.config.slowAccept), handler)
	}
	part(func() error { d.servers.Prefetch(ctx); return nil })
	part(func() error { return d.screen.run(ctx, d.home) })
	part(func() error { return d.listen(ctx, handler) })
	if d.config.layout != bare {
		part(func() error { return d.serveFront(ctx) })
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// listen serves HTTP until ctx ends; requests under way are cut then.
func (d *desktop) listen(ctx context.Context, handler http.Handler) error {
	listener, err := d.open(ctx)
	if err != nil {
		return fmt.Errorf("listen on %s: %w: SELKIES_ADDR and SELKIES_PORT choose another", d.config.addr, err)
	}
	close(d.listening)
	d.marks.mark("listening")
	// Requests outlive ctx by the moment in which viewers are told.
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		BaseContext: func(net.Listener) context.Context { return requests },
		ErrorLog:    slog.NewLogLogger(d.marks.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err = server.Serve(listener)
	d.speaks.sockets.CloseAll()
	endRequests()
	d.speaks.sockets.Wait()
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", d.config.addr, err)
	}
	return nil
}
