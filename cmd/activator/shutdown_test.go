package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
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
	if err != nil {
		t.Fatal(err)
	}
	grace, over := context.WithCancel(t.Context())
	done := make(steps, 3)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		shutdown(grace, public, done)
	}()
	for _, want := range []string{"stop holding", "drain"} {
		if got := <-done; got != want {
			t.Fatalf("first %q, want %q", got, want)
		}
	}
	select {
	case <-ended:
		t.Fatal("live connections were not waited for")
	default:
	}
	over()
	if got := <-done; got != "drained" {
		t.Fatal(got)
	}
	<-ended
	if err := s.group.Wait(); err != nil {
		t.Errorf("an orderly end is reported as a failure: %v", err)
	}
}

func TestAServerThatCannotListenSaysWhere(t *testing.T) {
	err := serving{}.inCluster("127.0.0.1:99999", nil)
	if err == nil || !strings.Contains(err.Error(), "99999") {
		t.Errorf("have %v, want an error that names the port", err)
	}
}

func TestAFailedServerEndsTheProgramWithItsError(t *testing.T) {
	alive, end := context.WithCancel(t.Context())
	defer end()
	group, failed := errgroup.WithContext(alive)
	s := serving{alive: alive, group: group}
	if err := s.inCluster("127.0.0.1:0", http.NotFoundHandler()); err != nil {
		t.Fatal(err)
	}
	closed := func(l *net.TCPListener) net.Listener {
		_ = l.Close()
		return l
	}
	if err := s.serve("127.0.0.1:0", &http.Server{}, closed); err != nil { //nolint:gosec // it serves nobody
		t.Fatal(err)
	}
	<-failed.Done()
	end()
	if err := group.Wait(); err == nil || !strings.Contains(err.Error(), "serving 127.0.0.1:") {
		t.Errorf("have %v, want an error that names the address", err)
	}
}
