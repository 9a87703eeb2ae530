package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProfilesAreServed(t *testing.T) {
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap?debug=1", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline"} {
		w := httptest.NewRecorder()
		profiling().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, w.Code, path)
		assert.NotEqual(t, 0, w.Body.Len(), "%s, bytes", path)
	}
	w := httptest.NewRecorder()
	profiling().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/symbol", nil))
	assert.Contains(t, w.Body.String(), "num_symbols", "symbol: %q", w.Body)
}
