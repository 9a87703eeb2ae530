package warmpool

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/vdi-operator/pkg/controller/session"
)

// pause is what a pool gave to one node.
type pause struct {
	fewer int
	until time.Time
}

// paused is what a pool gave to nodes, and does not replace yet.
type paused struct {
	fewer int
	// until is when the first of them may be replaced.
	until time.Time
	nodes []string
}

// Pause replaces so many fewer of a pool until then, which gave way to a node that is short of memory.
func (r *Reconciler) Pause(template, namespace, node string, fewer int, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := place{template, namespace}
	if fewer <= 0 {
		delete(r.pauses[at], node)
		return
	}
	if r.pauses == nil {
		r.pauses = map[place]map[string]pause{}
	}
	if r.pauses[at] == nil {
		r.pauses[at] = map[string]pause{}
	}
	r.pauses[at][node] = pause{fewer, until}
}

// paused is what a pool does not replace; the zero value is nothing.
func (r *Reconciler) paused(at place) (all paused) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for node, is := range r.pauses[at] {
		if !r.Now().Before(is.until) {
			delete(r.pauses[at], node)
			continue
		}
		all.fewer += is.fewer
		all.nodes = append(all.nodes, node)
		if all.until.IsZero() || is.until.Before(all.until) {
			all.until = is.until
		}
	}
	if len(r.pauses[at]) == 0 {
		delete(r.pauses, at)
	}
	slices.Sort(all.nodes)
	return all
}

// says is for people.
func (p paused) says() string {
	return fmt.Sprintf("Short of memory: node %s. Desktops that waited there gave way (%d); others are made %.0f minutes after that.",
		strings.Join(p.nodes, ", "), p.fewer, session.RefillPause.Minutes())
}
