package probe

import (
	"time"

	"github.com/org/vdi-operator/activator/directory"
)

// idleWait is a dialer's timer while there is nothing to time.
const idleWait = time.Hour

// target is what a dialer knows of the desktop that it dials.
type target struct {
	prober *Prober
	// addr is empty while there is nowhere to dial; since is when it became known,
	// and round counts the addresses.
	addr  string
	since time.Time
	round int
	// inFlight is how many attempts at this address are under way.
	inFlight int
	// next is when the next attempt may be made.
	next time.Time
	// listening says that the pod announced that the port accepts.
	listening bool
	// accepts says that the last attempt succeeded.
	accepts bool
	// probing says that the prober counts the target.
	probing bool
}

// update applies what the directory shows now.
func (t *target) update(view directory.View) {
	if addr := t.prober.address(view); addr != t.addr {
		now := time.Now()
		t.addr, t.since, t.next, t.accepts = addr, now, now, false
		t.round, t.inFlight = t.round+1, 0
	}
	listening := t.addr != "" && view.Pod.Listening
	if listening && !t.listening {
		t.next = time.Now()
	}
	t.listening = listening
	t.count()
}

// count keeps the prober's number of desktops that do not accept yet.
func (t *target) count() {
	probing := t.addr != "" && !t.accepts
	switch {
	case probing && !t.probing:
		t.prober.probing.Add(1)
	case !probing && t.probing:
		t.prober.probing.Add(-1)
	}
	t.probing = probing
}

func (t *target) forget() {
	t.addr = ""
	t.count()
}

func (t *target) known() time.Duration { return time.Since(t.since) }

// due is how many attempts to start now; ready is how many are wanted once the desktop
// accepts.
func (t *target) due(ready int) int {
	switch {
	case t.addr == "":
		return 0
	case t.accepts:
		return max(0, min(ready, dialsAtOnce)-t.inFlight)
	case t.inFlight > 0 || time.Now().Before(t.next):
		return 0
	}
	return 1
}

// wait is how long until the next attempt, if nothing happens before.
func (t *target) wait() time.Duration {
	if t.addr == "" || t.accepts {
		return idleWait
	}
	if left := time.Until(t.next); left > 0 {
		return left
	}
	return idleWait
}

// tried records an attempt's outcome; false when it was not at this address.
func (t *target) tried(a attempt) bool {
	if a.round != t.round {
		return false
	}
	t.inFlight--
	t.accepts = a.conn != nil
	if !t.accepts {
		t.next = time.Now().Add(pause(t.known(), t.prober.probing.Load()))
	}
	return true
}
