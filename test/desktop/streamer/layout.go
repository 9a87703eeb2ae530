package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/front"
	"github.com/org/vdi-operator/test/desktop/web"
)

// layoutName is a value of DESKTOP_LAYOUT: which image's arrangement of programs this is.
type layoutName string

const (
	bare layoutName = "bare" // the desktop's own server and nothing before it
	egl  layoutName = "egl"  // docker-nvidia-egl-desktop and -glx-desktop
	lsio layoutName = "linuxserver"
)

// speaks are the protocols that a layout can be combined with; the first is its default.
var speaks = map[layoutName][]protocolName{
	bare: {selkies1, selkies2WebRTC, selkies2WebSockets, linuxServer, plain}, egl: {selkies1}, lsio: {linuxServer},
}

const (
	// lookForSelkies is how often supervisord.conf's nc looks whether Selkies listens.
	lookForSelkies = 500 * time.Millisecond
	// retryPort is how long linuxserver's Selkies waits where its port is taken.
	retryPort = 5 * time.Second
	lookAt    = 20 * time.Millisecond
)

func parseLayout(text string) (layoutName, error) {
	all := []layoutName{bare, egl, lsio}
	if name := layoutName(text); slices.Contains(all, name) {
		return name, nil
	}
	return "", fmt.Errorf("DESKTOP_LAYOUT %q: want one of %v", text, all)
}

// protocol is the layout's own.
func (l layoutName) protocol() protocolName {
	if l == "" {
		l = bare
	}
	return speaks[l][0]
}

// fits says what is wrong where a layout has nobody who speaks the protocol.
func (l layoutName) fits(p protocolName) error {
	if slices.Contains(speaks[l], p) {
		return nil
	}
	return fmt.Errorf("DESKTOP_LAYOUT %q with DESKTOP_PROTOCOL %q: this layout's images speak %v: set that, or DESKTOP_LAYOUT=bare", l, p, speaks[l])
}

// frontConfig is nginx's part of a layout.
type frontConfig struct {
	port           int
	upstream       int // where it believes that Selkies listens
	folder         string
	user, password string
	dir            string // of its files, while the process lives
}

// front makes what stands before the desktop's own server.
func (d *desktop) front() (*front.Front, error) {
	c := d.config.front
	site := front.Site{
		Port: c.port, Upstream: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.upstream)), Folder: c.folder, User: c.user, Password: c.password,
		Page:     func(dir string) error { return web.Write(d.speaks.client, dir) },
		Requests: []string{"/demo/"},
	}
	if d.config.layout == egl {
		site.Requests = append(site.Requests, "/health", "/turn")
		site.Sockets = []string{"/ws", "/webrtc/signalling"}
	} else {
		site.Sockets = []string{c.folder + "websocket"}
	}
	return front.New(site, c.dir)
}

// serveFront runs nginx: in linuxserver's images before Selkies, in the others only when
// something listens where Selkies shall.
func (d *desktop) serveFront(ctx context.Context) error {
	f, err := d.front()
	if err != nil {
		return err
	}
	if d.config.layout == egl && !reachable(ctx, d.config.front.upstream, lookForSelkies) {
		return nil
	}
	d.marks.mark("nginx started")
	f.Run(ctx, d.screen.group)
	return nil
}

// reachable returns when a port of this machine accepts; false when ctx ended before.
func reachable(ctx context.Context, port int, every time.Duration) bool {
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = conn.Close()
			return true
		}
		pause(ctx, every)
	}
	return false
}

// open opens the desktop's own port. Where it is taken, linuxserver's Selkies tries for
// ever while nginx before it answers 404.
func (d *desktop) open(ctx context.Context) (net.Listener, error) {
	if d.config.layout == lsio {
		reachable(ctx, d.config.front.port, lookAt)
	}
	pause(ctx, d.config.startDelay)
	for {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", d.config.addr)
		if d.config.layout != lsio || !errors.Is(err, syscall.EADDRINUSE) {
			return listener, err
		}
		_, port, _ := net.SplitHostPort(d.config.addr)
		d.marks.log.Error(fmt.Sprintf("OSError starting Data WS on port %s: %v. Retrying in 5s...", port, err))
		if pause(ctx, retryPort); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}
