package main

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
)

// told notes when it is told what; that held clients hear 1012 and live ones are let
// run is package activator's own test.
type told chan string

func (t told) StopHolding() { t <- "stop holding" }
func (t told) Drain(ctx context.Context) {
	t <- "drain"
	<-ctx.Done()
	t <- "drained"
}

func TestHeldClientsAreToldFirstAndLiveOnesAreWaitedFor(t *testing.T) {
	s := serving{admission: listener.New(config.Default().Limits, nil, metrics.NewActivator(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)), failed: make(chan error, 1)}
	public, err := s.public("127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	grace, over := context.WithCancel(t.Context())
	steps := make(told, 3)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		shutdown(grace, public, steps)
	}()
	for _, want := range []string{"stop holding", "drain"} {
		if got := <-steps; got != want {
			t.Fatalf("first %q, want %q", got, want)
		}
	}
	select {
	case <-ended:
		t.Fatal("live connections were not waited for")
	default:
	}
	over()
	if got := <-steps; got != "drained" {
		t.Fatal(got)
	}
	<-ended
	select {
	case err := <-s.failed:
		t.Errorf("an orderly end is told as a failure: %v", err)
	default:
	}
}

func TestAServerThatCannotListenSaysWhere(t *testing.T) {
	s := serving{failed: make(chan error, 1)}
	srv, err := s.inCluster("127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	if _, err := s.inCluster("127.0.0.1:99999", nil); err == nil {
		t.Error("a port that there is not was taken")
	}
}
