//go:build linux

package activator_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
)

// BenchmarkHeldConnection prints what one held connection costs: resident memory
// once the garbage of accepting it is gone, and the part of it that is Go's heap and
// stacks. The clients are another process's.
func BenchmarkHeldConnection(b *testing.B) {
	for _, n := range []int{2000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				measureHeld(b, n)
			}
		})
	}
}

func measureHeld(b *testing.B, n int) {
	g := newGateway(b, func(c *config.Config) {
		c.Limits.HeldConnections, c.Limits.HeldConnectionsPerSession = n, n
		c.Limits.LiveWebSockets, c.Limits.LiveWebSocketsPerSession = n, n
		c.Limits.UpgradesPerAddress.Burst, c.Limits.UpgradesPerUser.Burst = 2*n, 2*n
	})
	addr := g.Front.Listener.Addr().(*net.TCPAddr)
	// As Chromium asks, with the cookie of a session.
	request := strings.Join([]string{
		"GET /webrtc/signalling/ HTTP/1.1", "Host: " + host, "Connection: Upgrade", "Pragma: no-cache", "Cache-Control: no-cache",
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"Upgrade: websocket", "Origin: http://" + host, "Sec-WebSocket-Version: 13", "Accept-Encoding: gzip, deflate, br, zstd",
		"Accept-Language: en-US,en;q=0.9", "Cookie: " + g.As(noBrowser).Get("Cookie"), "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", "", "",
	}, "\r\n")
	hello := frame.Append(nil, ws.OpText, true, []byte("HELLO 1 eyJyZXMiOiIxOTIweDEwODAiLCJzY2FsZSI6MX0="), true)

	before := memory(b)
	clients := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestClientsOfTheBenchmark$")
	clients.Env = append(os.Environ(), clientsOf+"="+addr.String(), clientsSay+"="+base64.StdEncoding.EncodeToString(append([]byte(request), hello...)), fmt.Sprintf("%s=%d", clientsCount, n))
	leave, err := clients.StdinPipe()
	require.NoError(b, err)
	require.NoError(b, clients.Start())
	defer func() {
		_ = leave.Close()
		_ = clients.Wait()
	}()
	eventually.Equal(g.T, "all are held", float64(n), value(g.Metrics.Held))
	after := memory(b)
	each := func(a, b uint64) float64 { return float64(int64(a-b)) / float64(n) }
	b.ReportMetric(each(after.rss, before.rss), "rss-B/held")
	b.ReportMetric(each(after.heap, before.heap), "heap-B/held")
	b.ReportMetric(each(after.stacks, before.stacks), "stack-B/held")
	b.ReportMetric(float64(after.goroutines-before.goroutines)/float64(n), "goroutines/held")
}

// What the process with the clients is told by.
const (
	clientsOf    = "VDI_BENCHMARK_CLIENTS_OF"
	clientsSay   = "VDI_BENCHMARK_CLIENTS_SAY"
	clientsCount = "VDI_BENCHMARK_CLIENTS"
)

// TestClientsOfTheBenchmark is the other process of BenchmarkHeldConnection: the
// clients, until its standard input ends.
func TestClientsOfTheBenchmark(t *testing.T) {
	addr := os.Getenv(clientsOf)
	if addr == "" {
		t.Skip("it is for BenchmarkHeldConnection")
	}
	n, err := strconv.Atoi(os.Getenv(clientsCount))
	require.NoError(t, err)
	say, err := base64.StdEncoding.DecodeString(os.Getenv(clientsSay))
	require.NoError(t, err)
	for range n {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
		_, err = c.Write(say)
		require.NoError(t, err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

type memoryUse struct {
	rss, heap, stacks uint64
	goroutines        int
}

func memory(b *testing.B) memoryUse {
	b.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	raw, err := os.ReadFile("/proc/self/statm")
	require.NoError(b, err)
	var size, resident uint64
	_, err = fmt.Sscan(string(raw), &size, &resident)
	require.NoError(b, err)
	return memoryUse{resident * uint64(os.Getpagesize()), m.HeapAlloc, m.StackInuse, runtime.NumGoroutine()}
}
