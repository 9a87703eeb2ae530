// Package sendqueue bounds what the kernel keeps for a peer that does not read: as much as
// is under way to it, and Unsent bytes more. Without it a connection's send buffer grows to
// megabytes once its peer has read fast (tcp(7), tcp_wmem), and the kernel counts them as a
// container's memory.
package sendqueue

import "syscall"

// Unsent is how much may wait in a connection to be sent: two frames of a stream of 50
// Mbit/s, so that no line runs dry while the program is not looking.
const Unsent = 256 << 10

// Bound bounds a TCP connection. Where the system has no such bound it does nothing.
func Bound(conn syscall.Conn) {
	if raw, err := conn.SyscallConn(); err == nil {
		_ = Control("", "", raw)
	}
}
