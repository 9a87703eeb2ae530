package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"github.com/org/vdi-operator/pkg/apiserver"
)

// probeHeader bounds how long kubelet may take to ask.
const probeHeader = 5 * time.Second

// awaitAPI returns when the API server answers. Meanwhile it answers kubelet at addr
// that the program lives and is not ready; after that the manager does.
//
// A leader that has lost its lease must end and start anew, which is what an outage of
// the API server comes to: without this kubelet would restart it with longer and longer
// pauses, of minutes in the end.
func awaitAPI(ctx context.Context, rc *rest.Config, addr string, log logr.Logger) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "waiting for the API server", http.StatusServiceUnavailable)
	})
	probes := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: probeHeader}
	ended := make(chan struct{})
	defer func() {
		_ = probes.Close()
		<-ended
	}()
	go func() {
		defer close(ended)
		if err := probes.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Error(err, "kubelet cannot ask how the program does", "address", addr)
		}
	}()
	return apiserver.Await(ctx, rc, func(err error) {
		log.Info("the API server does not answer; waiting for it", "error", err.Error())
	})
}
