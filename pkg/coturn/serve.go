package coturn

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/org/vdi-operator/pkg/health"
	"github.com/org/vdi-operator/pkg/turn"
)

// Handler serves what Prometheus, kubelet and activators ask.
func (s *Supervisor) Handler() http.Handler {
	mux := health.Handler(s.registry, s.healthy, s.ready)
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
