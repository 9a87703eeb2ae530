package listener

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"github.com/org/vdi-operator/activator/closing"
)

// conn is a connection in net/http's hands. net/http does not report a head that
// it cannot read, so the conn watches what net/http reads and writes until a request
// has reached the handler, and knows by that how a head failed.
type conn struct {
	*net.TCPConn
	admission *Admission
	// left ends the wait for the first request.
	left func()

	// serving is set while a request is with the handler, and for good once the
	// connection was hijacked: nothing is watched then.
	serving atomic.Bool
	// resting says that the admission counts it as idle.
	resting atomic.Bool
	// began says that bytes of a head have come.
	began atomic.Bool
	// counted is done once: net/http may read on after an error.
	counted sync.Once
}

type connKey struct{}

// NetConn is the connection itself, for a handler that hijacked it: the kernel can pass
// bytes between two of these by itself.
func (c *conn) NetConn() net.Conn { return c.TCPConn }

// arrived says that a request has reached the handler.
func (c *conn) arrived() {
	c.serving.Store(true)
	c.leave()
}

// awaits says that the next head may come. With too many idle connections it keeps none,
// which costs others a handshake.
func (c *conn) awaits() {
	if !c.admission.rest() {
		_ = c.Close()
		return
	}
	c.resting.Store(true)
	c.began.Store(false)
	c.serving.Store(false)
}

// refuse counts why the connection is about to end.
func (c *conn) refuse(why *closing.Refusal) {
	c.counted.Do(func() { c.admission.refused(why, c.RemoteAddr().String()) })
}

// leave ends the wait for a request, the first or another.
func (c *conn) leave() {
	c.left()
	if c.resting.CompareAndSwap(true, false) {
		c.admission.rise()
	}
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if c.serving.Load() {
		return n, err
	}
	if n > 0 {
		c.began.Store(true)
	}
	// One that has sent nothing is a browser's spare connection.
	if errors.Is(err, os.ErrDeadlineExceeded) && c.began.Load() {
		c.refuse(closing.HeaderTimeout)
	}
	return n, err
}

// headTooLong is how net/http's answer to a head above MaxHeaderBytes begins. Whatever
// else it answers without the handler is about a head that it does not understand.
var headTooLong = []byte("HTTP/1.1 431 ")

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if !c.serving.Load() {
		why := closing.MalformedHead
		if bytes.HasPrefix(b, headTooLong) {
			why = closing.HeaderBytes
		}
		c.refuse(why)
	}
	return c.TCPConn.Write(b)
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.leave()
	return c.TCPConn.Close()
}
