package main

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/pkg/httpserve"
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
	return entrance{admission, srv}, httpserve.Start(s.alive, s.group, addr, srv, admission.Listener)
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
	return httpserve.Start(s.alive, s.group, addr, srv, admission.Listener)
}
