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
	// listening says that the pod told that the port accepts.
	listening bool
	// accepts says that the last attempt succeeded.
	accepts bool
	// probing says that the target counts among the prober's.
	probing bool
}

// look takes in what the directory says now.
func (t *target) look(view directory.View) {
	if addr := address(view); addr != t.addr {
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

// count keeps the prober's number of desktops that are dialled in vain.
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

// due is how many attempts to begin now, where so many are wanted once the desktop
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

// wait is how long until an attempt may be due that nothing else brings.
func (t *target) wait() time.Duration {
	if t.addr == "" || t.accepts {
		return idleWait
	}
	if left := time.Until(t.next); left > 0 {
		return left
	}
	return idleWait
}

// tried takes in an attempt's outcome; false when it was not at this address.
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
