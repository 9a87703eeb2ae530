package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/bench/replica"
)

const (
	// signalingPath is Selkies 1.6's.
	signalingPath  = "/ws"
	openedPath     = "/opened"
	backendProgram = "out/bench/backend"
	floorProgram   = "out/bench/floor"
)

// ours is one replica of our activator.
type ours struct {
	world     *replica.World
	count     int
	sessions  []*replica.Session
	activator *replica.Activator
	backend   *process.Process
	port      string
}

func newOurs(ctx context.Context, sessions int) (*ours, error) {
	say("starting an API server for our activator")
	w, err := replica.Begin(ctx)
	return &ours{world: w, count: sessions}, err
}

func (o *ours) name() string { return nameOurs }

func (o *ours) begin(ctx context.Context, n int) (*holder, error) {
	at, err := replica.FreeAddress()
	if err != nil {
		return nil, err
	}
	if _, o.port, err = net.SplitHostPort(at); err != nil {
		return nil, err
	}
	o.sessions = nil
	for i := range o.count {
		s, err := o.world.Session(ctx, fmt.Sprintf("session-%d", i))
		if err != nil {
			return nil, err
		}
		o.sessions = append(o.sessions, s)
	}
	if o.activator, err = o.world.Activator(ctx, replica.Roomy(n)); err != nil {
		return nil, err
	}
	h := &holder{process: o.activator.Process, awaited: o.wanted}
	for _, s := range o.sessions {
		header, err := s.Visit()
		if err != nil {
			return nil, err
		}
		h.targets = append(h.targets, target{Address: o.activator.Address, Path: signalingPath, Header: header})
	}
	return h, nil
}

// wanted waits until the activator has asked for every desktop, and lets them be
// Pending.
func (o *ours) wanted(ctx context.Context) error {
	port, err := strconv.ParseInt(o.port, 10, 32)
	if err != nil {
		return err
	}
	for _, s := range o.sessions {
		if err := s.Woken(ctx); err != nil {
			return err
		}
		if err := s.Wanted(ctx, int32(port)); err != nil {
			return err
		}
	}
	return nil
}

// appear gives every session's pod an address of its own; one process listens at all.
func (o *ours) appear(ctx context.Context) (time.Time, error) {
	var err error
	if o.backend, err = process.Start(ctx, []string{"PORT=" + o.port}, backendProgram); err != nil {
		return time.Time{}, err
	}
	var opened time.Time
	err = replica.Await(ctx, "the replica", func() (err error) {
		opened, err = openedAt(net.JoinHostPort("127.0.0.1", o.port))
		return err
	})
	if err != nil {
		return opened, err
	}
	for i, s := range o.sessions {
		if err := s.Appear(ctx, net.IPv4(127, 0, 0, byte(i+1)).String()); err != nil {
			return opened, err
		}
	}
	return opened, nil
}

func (o *ours) rest(context.Context) error {
	if o.activator != nil {
		o.activator.End()
	}
	if o.backend != nil {
		o.backend.End()
	}
	o.activator, o.backend = nil, nil
	return nil
}

func (o *ours) end() error { return o.world.End() }

// openedAt asks a backend when its port began to accept.
func openedAt(address string) (time.Time, error) {
	resp, err := http.Get("http://" + address + openedPath)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return time.Time{}, err
	}
	nanos, err := strconv.ParseInt(string(raw), 10, 64)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return time.Unix(0, nanos), err
}
