package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// countTimeout bounds how long a scrape waits for the count.
const countTimeout = 5 * time.Second

// atScrape is read at each scrape at which counts is true, by one scrape at a time.
type atScrape struct {
	counts func() bool
	descs  []*prometheus.Desc

	mu   sync.Mutex // guards what read keeps
	read func(ctx context.Context, ch chan<- prometheus.Metric) error
}

// Describe implements prometheus.Collector.
func (s *atScrape) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *atScrape) Collect(ch chan<- prometheus.Metric) {
	if !s.counts() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.read(ctx, ch); err != nil {
		ch <- prometheus.NewInvalidMetric(s.descs[0], err)
	}
}
