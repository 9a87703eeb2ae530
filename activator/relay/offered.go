package relay

import (
	"net"
	"sync/atomic"
	"time"
)

// offered is a connection for a transport: taken once, or closed in the end.
type offered struct {
	net.Conn
	taken atomic.Bool
}

func (o *offered) take() bool { return o.taken.CompareAndSwap(false, true) }

// waits bounds how long the next bytes are waited for; zero does not.
func (o *offered) waits(until time.Time) { _ = o.SetReadDeadline(until) }

func (o *offered) giveBack() {
	if o.take() {
		_ = o.Close()
	}
}
