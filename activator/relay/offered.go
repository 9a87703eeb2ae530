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
	// head says that the answer's head was read, read how many bytes came before.
	head atomic.Bool
	read atomic.Int64
	// within is how long the desktop may take nothing of what is written to it.
	within time.Duration
}

// piece is how much is written within one deadline, in bytes.
const piece = 64 << 10

// Write implements net.Conn.
func (o *offered) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		_ = o.SetWriteDeadline(time.Now().Add(o.within))
		var some int
		some, err = o.Conn.Write(b[n:min(len(b), n+piece)])
		n += some
	}
	return n, err
}

// Read implements net.Conn.
func (o *offered) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	if !o.head.Load() {
		o.read.Add(int64(n))
	}
	return n, err
}

// beyond says that more bytes came than a head may have, and no head.
func (o *offered) beyond(limit int) bool { return !o.head.Load() && o.read.Load() >= int64(limit) }

func (o *offered) take() bool { return o.taken.CompareAndSwap(false, true) }

// waits bounds how long the next bytes are waited for; zero does not.
func (o *offered) waits(until time.Time) { _ = o.SetReadDeadline(until) }

func (o *offered) giveBack() {
	if o.take() {
		_ = o.Close()
	}
}
