package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
)

// steps notes what it has to do and when. Package activator tests that held clients get
// 1012 and that live ones go on.
type steps chan string

func (t steps) StopHolding() { t <- "stop holding" }
func (t steps) Drain(ctx context.Context) {
	t <- "drain"
	<-ctx.Done()
	t <- "drained"
}

func TestHeldClientsAreToldFirstAndLiveOnesAreWaitedFor(t *testing.T) {
	s := serving{admission: listener.New(config.Default().Limits, nil, metrics.NewActivator(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)), alive: t.Context(), group: &errgroup.Group{}}
	public, err := s.public("127.0.0.1:0", http.NotFoundHandler())
	require.NoError(t, err)
	grace, over := context.WithCancel(t.Context())
	done := make(steps, 3)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		shutdown(grace, public, done)
	}()
	for _, want := range []string{"stop holding", "drain"} {
		require.Equal(t, want, <-done, "first")
	}
	select {
	case <-ended:
		t.Fatal("live connections were not waited for")
	default:
	}
	over()
	require.Equal(t, "drained", <-done)
	<-ended
	assert.NoError(t, s.group.Wait(), "an orderly end is reported as a failure")
}

func TestAServerThatCannotListenSaysWhere(t *testing.T) {
	err := serving{}.inCluster("127.0.0.1:99999", nil)
	assert.ErrorContains(t, err, "99999", "want an error that names the port")
}

func TestAFailedServerEndsTheProgramWithItsError(t *testing.T) {
	alive, end := context.WithCancel(t.Context())
	defer end()
	group, failed := errgroup.WithContext(alive)
	s := serving{alive: alive, group: group}
	require.NoError(t, s.inCluster("127.0.0.1:0", http.NotFoundHandler()))
	closed := func(l *net.TCPListener) net.Listener {
		_ = l.Close()
		return l
	}
	if err := s.serve("127.0.0.1:0", &http.Server{}, closed); err != nil { //nolint:gosec // it serves nobody
		t.Fatal(err)
	}
	<-failed.Done()
	end()
	err := group.Wait()
	assert.ErrorContains(t, err, "serving 127.0.0.1:", "want an error that names the address")
}
