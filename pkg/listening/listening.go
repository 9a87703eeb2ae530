// Package listening is how the operator knows that activators receive what visitors and
// desktops report. Each activator renews a Lease while it does (Renewer); each replica of
// the operator watches the Leases (Watch) and keeps a Record of them.
//
// It promises that an activator counts only after its Lease was seen to change, by the clock
// of who saw it: no writer's clock is believed. What follows for desktops is pkg/lifecycle's
// decision.
package listening

import (
	"sync"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// Label is on each activator's Lease; its value is the installation's name.
	Label = v1alpha1.GroupName + "/activator-of"
	// renewEvery is how often an activator renews its Lease, renewWithin how long one
	// attempt may take.
	renewEvery  = 10 * time.Second
	renewWithin = 5 * time.Second
	// Lapse is how long an activator whose Lease is not renewed is still taken to listen.
	Lapse = 30 * time.Second
)

// Record is what one replica of the operator has seen of the activators' Leases.
type Record struct {
	// began is when it began to look.
	began time.Time

	mu sync.Mutex
	// All that follows is guarded by mu. heard is when a Lease was last seen to be renewed,
	// returned when that was for the first time after nobody had listened.
	leases          map[string]lease
	heard, returned time.Time
}

// lease is one activator's, as it was last seen. renewed is what its writer's clock said and
// only compared with what it says next; heard is when that was seen to change, by ours.
type lease struct{ renewed, heard time.Time }

// NewRecord is a record that begins now.
func NewRecord(now time.Time) *Record { return &Record{began: now, leases: map[string]lease{}} }

// Found notes a Lease as it was before anybody looked. It may have been left by an activator
// that is gone: it counts once it changes.
func (r *Record) Found(name string, renewed time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.leases[name]; !known {
		r.leases[name] = lease{renewed: renewed}
	}
}

// Seen notes a Lease that was made or changed, and was seen to be at now.
func (r *Record) Seen(now time.Time, name string, renewed time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, known := r.leases[name]; known && was.renewed.Equal(renewed) {
		return // changed by somebody else, or not at all
	}
	// Who is found when the watch begins may have listened all along.
	if missed := !r.heard.IsZero() || now.Sub(r.began) > Lapse; missed && r.listening(now) == 0 {
		r.returned = now
	}
	r.leases[name], r.heard = lease{renewed: renewed, heard: now}, now
}

// Gone notes that a Lease was deleted: its activator has ended.
func (r *Record) Gone(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.leases, name)
}

// Activators is how many activators listen at now.
func (r *Record) Activators(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.listening(now)
}

// listening counts them; the caller holds the lock.
func (r *Record) listening(now time.Time) (n int) {
	for _, l := range r.leases {
		if !l.heard.IsZero() && now.Sub(l.heard) <= Lapse {
			n++
		}
	}
	return n
}

// Missed says that nobody listens at now, and that there was time to notice somebody.
func (r *Record) Missed(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.listening(now) == 0 && now.Sub(r.began) > Lapse
}

// Listening is what follows from it at now for a replica that decides since began.
func (r *Record) Listening(now, began time.Time) lifecycle.Listening {
	r.mu.Lock()
	defer r.mu.Unlock()
	return lifecycle.Listening{Began: began, Returned: r.returned, Heard: r.heard, Nobody: r.listening(now) == 0}
}
