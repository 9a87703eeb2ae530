package activator

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/metrics"
)

// pages counts the open pages that are told of changes: each costs a connection and a
// goroutine.
type pages struct {
	perSession int
	metrics    *metrics.Activator

	mu   sync.Mutex
	open map[types.NamespacedName]int
}

func newPages(perSession int, m *metrics.Activator) *pages {
	return &pages{perSession: perSession, metrics: m, open: map[types.NamespacedName]int{}}
}

// enter counts a page in; leave counts it out.
func (p *pages) enter(key types.NamespacedName) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[key] >= p.perSession {
		return nil, closing.Pages.Ending(p.perSession)
	}
	p.open[key]++
	p.metrics.Pages.Inc()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.metrics.Pages.Dec()
		if p.open[key]--; p.open[key] == 0 {
			delete(p.open, key)
		}
	}, nil
}
