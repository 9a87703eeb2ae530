package apiserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"
)

func TestAProgramWaitsForTheAPIServerAndGoesOnWhenItIsThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close() // nobody is there yet

	told := make(chan error, 2)
	done := make(chan error, 1)
	go func() {
		done <- Await(t.Context(), &rest.Config{Host: "http://" + addr}, func(err error) { told <- err })
	}()
	if err := <-told; err == nil {
		t.Error("told of nothing")
	}
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
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
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(told) != 0 {
		t.Error("told more than once")
	}
	if asked <= notYet {
		t.Error("went on before the API server was ready")
	}
	if err := Await(t.Context(), &rest.Config{Host: api.URL}, func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
}

func TestWhoIsTurnedAwayIsNotKeptWaiting(t *testing.T) {
	for _, code := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
		if err := Await(t.Context(), &rest.Config{Host: api.URL}, func(err error) { t.Error(err) }); err != nil {
			t.Error(err)
		}
		api.Close()
	}
}

func TestTheWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := Await(ctx, &rest.Config{Host: "http://127.0.0.1:1"}, func(error) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("have %v", err)
	}
}
