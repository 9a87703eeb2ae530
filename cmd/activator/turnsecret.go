package main

import (
	"bytes"
	"log/slog"
	"sync"

	"github.com/org/vdi-operator/pkg/mounted"
)

// turnSecret is the secret shared with the TURN server, read anew for each credential: a
// file of some fifty bytes, which kubelet replaces when the Secret is.
type turnSecret struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex // guards last
	last []byte
}

// openTURNSecret reads it for the first time; "" is no TURN server.
func openTURNSecret(path string, log *slog.Logger) (*turnSecret, error) {
	s := &turnSecret{path: path, log: log}
	if path == "" {
		return s, nil
	}
	raw, err := mounted.Read(path, "TURN secret (--turn-secret)")
	s.last = bytes.TrimSpace(raw)
	return s, err
}

// read returns it as it is now; the last one that there was, if it cannot be read.
func (s *turnSecret) read() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == "" {
		return nil
	}
	raw, err := mounted.Read(s.path, "TURN secret (--turn-secret)")
	switch now := bytes.TrimSpace(raw); {
	case err != nil:
		s.log.Warn("the TURN server's secret cannot be read; the one before is used", "error", err)
	case !bytes.Equal(now, s.last):
		s.last = now
		s.log.Info("the TURN server's secret has changed")
	}
	return s.last
}
