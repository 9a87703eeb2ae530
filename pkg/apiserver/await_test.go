package apiserver

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

func TestAProgramWaitsForTheAPIServerAndGoesOnWhenItIsThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	_ = l.Close() // nobody is there yet

	told := make(chan error, 2)
	done := make(chan error, 1)
	go func() {
		done <- Await(t.Context(), &rest.Config{Host: "http://" + addr}, func(err error) { told <- err })
	}()
	assert.Error(t, <-told, "told of nothing")
	l, err = net.Listen("tcp", addr)
	require.NoError(t, err)
	const notYet = 2 // answers while it starts
	asked := 0
	api := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked <= notYet {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("{}"))
	})}}
	api.Start()
	defer api.Close()
	assert.NoError(t, <-done)
	assert.Empty(t, told, "told more than once")
	assert.Greater(t, asked, notYet, "went on before the API server was ready")
	assert.NoError(t, Await(t.Context(), &rest.Config{Host: api.URL}, func(err error) { t.Error(err) }))
}

func TestWhoIsTurnedAwayIsNotKeptWaiting(t *testing.T) {
	for _, code := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
		assert.NoError(t, Await(t.Context(), &rest.Config{Host: api.URL}, func(err error) { t.Error(err) }))
		api.Close()
	}
}

func TestTheWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := Await(ctx, &rest.Config{Host: "http://127.0.0.1:1"}, func(error) { cancel() })
	assert.ErrorIs(t, err, context.Canceled)
}
