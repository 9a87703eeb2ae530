package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"github.com/org/vdi-operator/pkg/apiserver"
	"github.com/org/vdi-operator/pkg/keys"
	"github.com/org/vdi-operator/pkg/token"
)

// probeHeader bounds how long kubelet may take to ask.
const probeHeader = 5 * time.Second

// waiting answers kubelet, until the manager does, that the program lives and is not ready
// because it waits for something.
type waiting struct {
	log    logr.Logger
	server *http.Server
	ended  chan struct{}
	// why is what it waits for, in words.
	why atomic.Pointer[string]
}

// answerProbes begins to; end ends it.
func answerProbes(addr string, log logr.Logger) *waiting {
	w := &waiting{log: log, ended: make(chan struct{})}
	w.forWhat("the start")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, "waiting for "+*w.why.Load(), http.StatusServiceUnavailable)
	})
	w.server = &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: probeHeader}
	go func() {
		defer close(w.ended)
		if err := w.server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Error(err, "kubelet cannot ask how the program does", "address", addr)
		}
	}()
	return w
}

func (w *waiting) forWhat(what string) { w.why.Store(&what) }

func (w *waiting) end() {
	_ = w.server.Close()
	<-w.ended
}

// api returns when the API server answers.
//
// A leader that has lost its lease must end and start anew, which is what an outage of
// the API server comes to: without this kubelet would restart it with longer and longer
// pauses, of minutes in the end.
func (w *waiting) api(ctx context.Context, rc *rest.Config) error {
	w.forWhat("the API server")
	return apiserver.Await(ctx, rc, func(err error) {
		w.log.Info("the API server does not answer; waiting for it", "error", err.Error())
	})
}

// keys returns when there is a key to sign with. It says anew what it waits for when that changes.
func (w *waiting) keys(ctx context.Context, keeper *keys.Keeper) (*token.Signer, error) {
	w.forWhat("the key that signs links")
	return keeper.Await(ctx, func(err error) {
		what := "the key that signs links: " + err.Error()
		if what != *w.why.Load() {
			w.log.Info("the installation's keys are not there; waiting for them", "why", err.Error())
		}
		w.forWhat(what)
	})
}
