package coturn

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/org/vdi-operator/pkg/turn"
)

// Handler serves what Prometheus, kubelet and activators ask.
func (s *Supervisor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	check := func(path string, check func() error) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			if err := check(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			_, _ = w.Write([]byte("ok\n"))
		})
	}
	check("/healthz", s.healthy)
	check("/readyz", s.ready)
	mux.HandleFunc("GET "+turn.AddressPath, func(w http.ResponseWriter, _ *http.Request) {
		external := s.external.Load()
		if external == nil {
			http.Error(w, "the public address is not known yet", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(turn.Announcement{Address: external.String()})
	})
	return mux
}

// healthy: a server that has no public address yet is no better off by being restarted.
func (s *Supervisor) healthy() error {
	if s.running.Load() && !s.answers.Load() {
		return errors.New("turnserver does not answer")
	}
	return nil
}

func (s *Supervisor) ready() error {
	switch {
	case s.stopping.Load():
		return errors.New("shutting down")
	case s.answers.Load():
		return nil
	}
	return errors.New("waiting for " + *s.waits.Load())
}
