package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/org/vdi-operator/pkg/metrics"
)

func TestVisitorsComeOnceEverythingIsListedAndUntilTheSignal(t *testing.T) {
	listed := false
	ctx, signal := context.WithCancel(t.Context())
	ready := readiness{stopping: ctx, listings: []toolscache.InformerSynced{func() bool { return true }, func() bool { return listed }}}
	reg := prometheus.NewRegistry()
	metrics.NewActivator(reg).Refused(metrics.RefusedNoToken)
	mux := observability(reg, ready.check)
	expect := func(path string, code int, says string) {
		t.Helper()
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != code || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %q, want %d and %q", path, w.Code, w.Body, code, says)
		}
	}
	expect("/healthz", 200, "ok")
	expect("/readyz", 503, "still being listed")
	listed = true
	expect("/readyz", 200, "ok")
	if err := ready.await(); err != nil {
		t.Error(err)
	}
	signal()
	expect("/readyz", 503, "shutting down")
	expect("/healthz", 200, "ok")
	expect("/metrics", 200, `vdi_activator_refusals_total{reason="no_token"} 1`)
	expect("/", 404, "")
}

func TestASignalEndsTheWaitForTheFirstListing(t *testing.T) {
	ctx, signal := context.WithCancel(t.Context())
	signal()
	ready := readiness{stopping: ctx, listings: []toolscache.InformerSynced{func() bool { return false }}}
	if err := ready.await(); err == nil || !strings.Contains(err.Error(), "before the first listing") {
		t.Errorf("have %v", err)
	}
}
