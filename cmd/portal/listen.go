package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
)

const (
	// headerWithin, bodyWithin and idleFor bound a request and the wait for another.
	headerWithin = 10 * time.Second
	bodyWithin   = 20 * time.Second
	idleFor      = 3 * time.Minute
	// maxHeader fits a browser's cookies of a domain many times.
	maxHeader = 32 << 10
	// maxConnections of a port is more than activators open.
	maxConnections = 4096
	// endWithin bounds the end of requests after the signal.
	endWithin = 15 * time.Second
)

// serving starts servers in group; they close when alive ends.
type serving struct {
	alive context.Context
	group *errgroup.Group
}

// serve serves at an address. Answers are not bounded in time: a page that is live has one
// that does not end.
func (s serving) serve(addr string, h http.Handler) (*http.Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for connections: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerWithin, ReadTimeout: bodyWithin, IdleTimeout: idleFor, MaxHeaderBytes: maxHeader}
	context.AfterFunc(s.alive, func() { _ = srv.Close() })
	s.group.Go(func() error {
		if err := srv.Serve(netutil.LimitListener(l, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving %s: %w", l.Addr(), err)
		}
		return nil
	})
	return srv, nil
}
