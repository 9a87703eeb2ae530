package main

import (
	"log/slog"
	"sync"
	"time"
)

// milestones notes when each thing happened first, counted from the process's start.
type milestones struct {
	start time.Time
	log   *slog.Logger

	mu    sync.Mutex // guards first
	first map[string]float64
}

func (m *milestones) mark(name string) {
	after := float64(time.Since(m.start).Microseconds()) / 1000
	m.mu.Lock()
	_, again := m.first[name]
	if !again {
		m.first[name] = after
	}
	m.mu.Unlock()
	m.log.Info("milestone", "name", name, "ms", after, "again", again)
}

// all returns a copy: name to milliseconds.
func (m *milestones) all() map[string]float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	copied := make(map[string]float64, len(m.first))
	for name, ms := range m.first {
		copied[name] = ms
	}
	return copied
}
