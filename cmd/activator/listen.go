package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/org/vdi-operator/activator/listener"
)

// serving starts servers in group; they close when alive ends. Each listener has the same
// limits, for itself.
type serving struct {
	admit func(listener.Proxies) *listener.Admission
	alive context.Context
	group *errgroup.Group
}

// entrance is the port of visitors.
type entrance struct {
	*listener.Admission
	server *http.Server
}

// public serves visitors, who may come by proxies. Connections wait for another request
// for as long as keepAlive.
func (s serving) public(addr string, proxies listener.Proxies, keepAlive time.Duration, h http.Handler) (entrance, error) {
	admission := s.admit(proxies)
	srv := admission.Server(h)
	srv.IdleTimeout = keepAlive
	return entrance{admission, srv}, s.serve(addr, srv, admission.Listener)
}

const (
	// inClusterRead and inClusterWrite bound a request and its answer, of Prometheus,
	// kubelet and desktops, who are near. A profile takes half a minute.
	inClusterRead  = 10 * time.Second
	inClusterWrite = 2 * time.Minute
	// inClusterHeaderBytes fits a desktop's token many times.
	inClusterHeaderBytes = 16 << 10
)

// inCluster serves the cluster's own programs, each at an address of its own.
func (s serving) inCluster(addr string, h http.Handler) error {
	admission := s.admit(nil)
	srv := admission.Server(h)
	srv.ReadTimeout, srv.WriteTimeout, srv.MaxHeaderBytes = inClusterRead, inClusterWrite, inClusterHeaderBytes
	return s.serve(addr, srv, admission.Listener)
}

func (s serving) serve(addr string, srv *http.Server, wrap func(*net.TCPListener) net.Listener) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening for connections: %w", err)
	}
	accepting := wrap(l.(*net.TCPListener))
	context.AfterFunc(s.alive, func() { _ = srv.Close() })
	s.group.Go(func() error {
		if err := srv.Serve(accepting); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving %s: %w", l.Addr(), err)
		}
		return nil
	})
	return nil
}
