package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProfilesAreServed(t *testing.T) {
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap?debug=1", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline"} {
		w := httptest.NewRecorder()
		profiling().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: %d, %d bytes", path, w.Code, w.Body.Len())
		}
	}
	w := httptest.NewRecorder()
	profiling().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/symbol", nil))
	if !strings.Contains(w.Body.String(), "num_symbols") {
		t.Errorf("symbol: %q", w.Body)
	}
}
