package sendqueue

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The peer reads fast, by which the kernel learns that it may keep much, and then no more.
func TestLittleWaitsForAPeerThatReadsNoMore(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	dialler := net.Dialer{Control: Control}
	dialled, err := dialler.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer func() { _ = dialled.Close() }()
	accepted, err := l.Accept()
	require.NoError(t, err)
	defer func() { _ = accepted.Close() }()
	Bound(accepted.(*net.TCPConn))
	for name, ends := range map[string][2]net.Conn{"dialled": {dialled, accepted}, "accepted": {accepted, dialled}} {
		from, to := ends[0].(*net.TCPConn), ends[1]
		const fast = 64 << 20
		read := make(chan error, 1)
		go func() {
			_, err := io.CopyN(io.Discard, to, fast)
			read <- err
		}()
		require.NoError(t, from.SetWriteDeadline(time.Now().Add(5*time.Second)))
		piece := make([]byte, 64<<10)
		for range fast / len(piece) {
			_, err := from.Write(piece)
			require.NoError(t, err)
		}
		require.NoError(t, <-read)
		require.NoError(t, from.SetWriteDeadline(time.Now().Add(time.Second)))
		for err = nil; err == nil; {
			_, err = from.Write(piece)
		}
		raw, err := from.SyscallConn()
		require.NoError(t, err)
		var waiting int
		require.NoError(t, raw.Control(func(fd uintptr) { waiting, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }))
		require.NoError(t, err)
		t.Log(name, waiting)
		assert.LessOrEqual(t, waiting, 4*Unsent, name)
	}
}
