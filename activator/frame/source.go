package frame

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
)

// source reads a connection piece by piece. It has a buffer only while there are
// bytes in it: a connection that says nothing costs none.
type source struct {
	conn net.Conn
	// socket is the connection's own, to wait for it without a buffer; nil where
	// there is none.
	socket syscall.RawConn
	// ready is tryRead, made a value once.
	ready func(fd uintptr) bool

	buf *[bufferSize]byte
	// r and w bound what was read into buf and not taken yet.
	r, w int
	// kept is the beginning of a frame that is waited for without buf.
	kept []byte
	got  int
	err  error

	// unwaited counts what was taken since the last wait for the connection.
	unwaited int
	// reads counts signs of life.
	reads atomic.Uint32
}

var errFull = errors.New("what was sent is longer than the buffer for it")

func (s *source) init(conn net.Conn, before []byte) {
	s.conn = Bare(conn)
	s.kept = before
	if c, ok := s.conn.(syscall.Conn); ok && waitsForSockets {
		if raw, err := c.SyscallConn(); err == nil {
			s.socket, s.ready = raw, s.tryRead
		}
	}
}

// Bare takes the wrappers off a connection that let bytes pass unchanged.
func Bare(conn net.Conn) net.Conn {
	for {
		wrapper, ok := conn.(interface{ NetConn() net.Conn })
		if _, encrypts := conn.(*tls.Conn); !ok || encrypts {
			return conn
		}
		conn = wrapper.NetConn()
	}
}

// window is what was read and not taken yet.
func (s *source) window() []byte {
	if s.buf == nil {
		if len(s.kept) == 0 {
			return nil
		}
		s.restore()
	}
	return s.buf[s.r:s.w]
}

func (s *source) take(n int) { s.r += n }

// more waits until the window is longer than it is. What window returned before
// must not be used after it.
func (s *source) more() error {
	if s.buf != nil && s.r == s.w {
		s.release()
	}
	if s.buf != nil && s.r > 0 {
		s.w = copy(s.buf[:], s.buf[s.r:s.w])
		s.r = 0
	}
	if s.w == bufferSize {
		return errFull
	}
	if s.socket == nil {
		s.restore()
		s.got, s.err = s.conn.Read(s.buf[s.w:])
	} else if err := s.socket.Read(s.ready); err != nil {
		return err
	}
	if s.got == 0 {
		return s.err
	}
	s.w += s.got
	s.reads.Add(1)
	return nil
}

// restore borrows a buffer, unless there is one, and puts what was kept into it.
func (s *source) restore() {
	if s.buf != nil {
		return
	}
	s.buf = borrow()
	s.r, s.w = 0, copy(s.buf[:], s.kept)
	s.kept = s.kept[:0]
}

// release gives the buffer back and keeps what is still in it.
func (s *source) release() {
	if s.buf == nil {
		return
	}
	if rest := s.buf[s.r:s.w]; len(rest) > 0 {
		s.kept = append(s.kept[:0], rest...)
	} else {
		s.kept = nil
	}
	giveBack(s.buf)
	s.buf, s.r, s.w = nil, 0, 0
}
