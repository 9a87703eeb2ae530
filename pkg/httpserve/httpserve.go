// Package httpserve starts a program's servers beside each other.
package httpserve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// Start listens at addr and serves there in group, by the listener that wrap makes of the plain
// one, until alive ends. It returns why it cannot listen; the group gets why serving ended early.
func Start(alive context.Context, group *errgroup.Group, addr string, srv *http.Server, wrap func(*net.TCPListener) net.Listener) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listening for connections: %w", err)
	}
	accepting := wrap(l.(*net.TCPListener))
	context.AfterFunc(alive, func() { _ = srv.Close() })
	group.Go(func() error {
		if err := srv.Serve(accepting); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving %s: %w", l.Addr(), err)
		}
		return nil
	})
	return nil
}
