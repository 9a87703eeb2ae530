package relay

import (
	"net"
	"sync/atomic"
)

// lent is a connection offered to a transport: taken once, or closed at the end.
type lent struct {
	net.Conn
	taken atomic.Bool
}

func (l *lent) take() bool { return l.taken.CompareAndSwap(false, true) }

func (l *lent) giveBack() {
	if l.take() {
		_ = l.Close()
	}
}
