package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/bench/replica"
)

const (
	nameDirect    = "direct"
	nameHAProxy   = "haproxy"
	nameNginx     = "nginx"
	nameSignaling = "ours, signaling"
	namePlain     = "ours, plain"

	// Paths of test/bench/backend.
	signalingPath  = "/ws"
	echoPath       = "/echo"
	streamPath     = "/stream"
	backendProgram = "out/bench/backend"

	// admitted is how many connections our activator's limits let in at once.
	admitted = 10000
)

// contender is one way to the backend.
type contender struct {
	name    string
	address string
	header  http.Header
	// path is where messages are echoed; greets says that a HELLO goes before them.
	path   string
	greets bool
	// streams says that the way is measured with a stream too.
	streams bool
	// processes do the work; none for the direct way.
	processes []*process.Process
}

// arena holds all that runs.
type arena struct {
	contenders []*contender
	world      *replica.World
	started    []*process.Process
	dir        string
}

func openArena(ctx context.Context) (a *arena, err error) {
	a = &arena{}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if a.dir, err = os.MkdirTemp("", "vdi-bench-relay-"); err != nil {
		return a, err
	}
	backend, err := replica.FreeAddress()
	if err != nil {
		return a, err
	}
	_, port, err := net.SplitHostPort(backend)
	if err != nil {
		return a, err
	}
	if _, err := a.start(ctx, backend, []string{"PORT=" + port}, backendProgram); err != nil {
		return a, err
	}
	a.contenders = append(a.contenders, &contender{name: nameDirect, address: backend, path: echoPath, streams: true})
	for _, p := range []proxy{haproxy, nginx} {
		c, err := a.proxy(ctx, p, backend)
		if err != nil {
			return a, err
		}
		a.contenders = append(a.contenders, c)
	}
	ours, err := a.ours(ctx, backend, port)
	a.contenders = append(a.contenders, ours...)
	return a, err
}

// start runs a program and waits until its port accepts.
func (a *arena) start(ctx context.Context, address string, env []string, name string, args ...string) (*process.Process, error) {
	p, err := process.Start(ctx, env, name, args...)
	if err != nil {
		return nil, err
	}
	err = replica.Await(ctx, "the server", func() error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("%s does not listen: %w\n%s", name, err, p.End())
	}
	a.started = append(a.started, p)
	return p, nil
}

// ours runs the activator with a session whose desktop is the backend.
func (a *arena) ours(ctx context.Context, backend, backendPort string) ([]*contender, error) {
	fmt.Fprintln(os.Stderr, "starting an API server for our activator")
	var err error
	if a.world, err = replica.Begin(ctx); err != nil {
		return nil, err
	}
	s, err := a.world.Session(ctx, "relay")
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseInt(backendPort, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := s.Wanted(ctx, int32(port)); err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(backend)
	if err != nil {
		return nil, err
	}
	if err := s.Appear(ctx, host); err != nil {
		return nil, err
	}
	activator, err := a.world.Activator(ctx, replica.Roomy(admitted))
	if err != nil {
		return nil, err
	}
	a.started = append(a.started, activator.Process)
	visit, err := s.Visit()
	if err != nil {
		return nil, err
	}
	c := contender{address: activator.Address, header: visit, processes: []*process.Process{activator.Process}}
	signaling, plain := c, c
	signaling.name, signaling.path, signaling.greets = nameSignaling, signalingPath, true
	plain.name, plain.path, plain.streams = namePlain, echoPath, true
	return []*contender{&signaling, &plain}, nil
}

func (a *arena) close() error {
	for _, p := range a.started {
		p.End()
	}
	var err error
	if a.world != nil {
		err = a.world.End()
	}
	return errors.Join(err, os.RemoveAll(a.dir))
}
