//go:build unix

package frame

import (
	"io"
	"os"
	"syscall"
)

// waitsForSockets says that a socket's readiness can be awaited before there is a
// buffer to read into.
const waitsForSockets = true

// tryRead reads into the buffer what is there; false, without a buffer, when there
// is nothing yet.
func (s *source) tryRead(fd uintptr) bool {
	s.restore()
	for {
		n, err := syscall.Read(int(fd), s.buf[s.w:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			s.unwaited = 0
			s.release()
			return false
		case err != nil:
			s.got, s.err = 0, os.NewSyscallError("read", err)
		case n == 0:
			s.got, s.err = 0, io.EOF
		default:
			s.got = n
		}
		return true
	}
}
