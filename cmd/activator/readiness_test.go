package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/health"
	"github.com/org/vdi-operator/pkg/metrics"
)

// listing is the first listing of one kind of object.
type listing struct{ complete bool }

func (l *listing) synced() bool { return l.complete }

func TestVisitorsComeOnceEverythingIsListedAndUntilTheSignal(t *testing.T) {
	pods := &listing{}
	ctx, signal := context.WithCancel(t.Context())
	ready := &readiness{stopping: ctx}
	reg := prometheus.NewRegistry()
	metrics.NewActivator(reg).Refused(closing.NoToken.Label)
	mux := health.Handler(reg, nil, ready.check)
	expect := func(path string, code int, says string) {
		t.Helper()
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != code || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %q, want %d and %q", path, w.Code, w.Body, code, says)
		}
	}
	expect("/healthz", 200, "ok")
	expect("/readyz", 503, "waiting for the API server")
	ready.lists([]toolscache.InformerSynced{(&listing{complete: true}).synced, pods.synced})
	expect("/readyz", 503, "still being listed")
	pods.complete = true
	expect("/readyz", 200, "ok")
	assert.NoError(t, ready.await())
	signal()
	expect("/readyz", 503, "shutting down")
	expect("/healthz", 200, "ok")
	expect("/metrics", 200, `vdi_activator_refusals_total{reason="no_token"} 1`)
	expect("/", 404, "")
}

func TestASignalEndsTheWaitForTheFirstListing(t *testing.T) {
	ctx, signal := context.WithCancel(t.Context())
	signal()
	ready := &readiness{stopping: ctx}
	ready.lists([]toolscache.InformerSynced{(&listing{}).synced})
	err := ready.await()
	assert.ErrorContains(t, err, "before the first listing")
}
