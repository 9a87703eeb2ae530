package relay

import (
	"net"
	"sync/atomic"
	"time"
)

// lent is a connection offered to a transport: taken once, or closed at the end.
type lent struct {
	net.Conn
	taken atomic.Bool
}

func (l *lent) take() bool { return l.taken.CompareAndSwap(false, true) }

// waits bounds how long the next bytes are waited for; zero does not.
func (l *lent) waits(until time.Time) { _ = l.SetReadDeadline(until) }

func (l *lent) giveBack() {
	if l.take() {
		_ = l.Close()
	}
}
