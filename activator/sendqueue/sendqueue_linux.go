package sendqueue

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Control is Bound for a net.Dialer.
func Control(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		// A connection without it works as well.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, Unsent)
	})
}
