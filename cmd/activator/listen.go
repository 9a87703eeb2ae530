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

// serving starts servers in group; they close when alive ends.
type serving struct {
	admission *listener.Admission
	alive     context.Context
	group     *errgroup.Group
}

// public serves visitors, within the limits of admission.
func (s serving) public(addr string, h http.Handler) (*http.Server, error) {
	srv := s.admission.Server(h)
	return srv, s.serve(addr, srv, s.admission.Listener)
}

const (
	// inClusterHeader and inClusterIdle are for Prometheus, kubelet and desktops, who
	// are near.
	inClusterHeader = 10 * time.Second
	inClusterIdle   = 2 * time.Minute
	// inClusterHeaderBytes fits a desktop's token many times.
	inClusterHeaderBytes = 16 << 10
)

// inCluster serves the cluster's own programs.
func (s serving) inCluster(addr string, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: inClusterHeader, IdleTimeout: inClusterIdle, MaxHeaderBytes: inClusterHeaderBytes}
	return s.serve(addr, srv, func(l *net.TCPListener) net.Listener { return l })
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
