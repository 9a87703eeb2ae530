package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/org/vdi-operator/pkg/httpserve"
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
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerWithin, ReadTimeout: bodyWithin, IdleTimeout: idleFor, MaxHeaderBytes: maxHeader}
	return srv, httpserve.Start(s.alive, s.group, addr, srv, func(l *net.TCPListener) net.Listener { return netutil.LimitListener(l, maxConnections) })
}
