package hold

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// probeEvery and probes find a peer whose machine is gone while nothing is sent.
	probeEvery = 20 * time.Second
	probes     = 3
)

// watch lets the kernel give a connection up on which nothing that was sent is
// acknowledged, or taken, for as long as three missed pings last.
func watch(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	// Where the kernel does not know them the connection is as good as any other.
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: probeEvery, Interval: probeEvery, Count: probes})
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int((pingsMissed * pingEvery).Milliseconds()))
		})
	}
}
