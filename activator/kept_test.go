package activator_test

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
)

// upgradeRaw upgrades byte for byte.
func upgradeRaw(t *testing.T, g *gateway, at, named string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", g.Front.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: %s\r\n\r\n", at, named, g.As(noBrowser).Get("Cookie"))
	require.NoError(t, err)
	r := bufio.NewReader(c)
	_ = c.SetReadDeadline(time.Now().Add(enough))
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	return c, r
}

func heapInUse() float64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func generous(c *config.Config) {
	c.Limits.LiveWebSocketsPerSession, c.Limits.HeldConnectionsPerSession = 1000, 1000
	c.Limits.UpgradesPerUser.Burst, c.Limits.UpgradesPerAddress.Burst = 10000, 10000
}

const manySockets = 50

// forgetful is a desktop that keeps nothing of a request, and greets.
func forgetful(t *testing.T) *httptest.Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				answerUpgrade(c)
				_, _ = io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c})
			}()
		}
	}()
	return &httptest.Server{Listener: l}
}

func answerUpgrade(c net.Conn) {
	if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455
		_, _ = fmt.Fprintf(c, "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]))
		_, _ = c.Write(frame.Append(nil, ws.OpText, true, []byte("hello"), false))
	}
}

// A live WebSocket keeps of Host what no limit counts any more.
func TestALiveWebSocketKeepsNoLongHost(t *testing.T) {
	grown := func(at, port string) float64 {
		g := newGateway(t, generous)
		g.Wakes(forgetful(t))
		before := heapInUse()
		for range manySockets {
			c, r := upgradeRaw(t, g, at, host+port)
			_, err := c.Write(frame.Append(nil, ws.OpText, true, []byte("HELLO 1 e30="), true))
			require.NoError(t, err)
			_, _ = r.Peek(2)
		}
		eventually.Equal(t, "live", float64(manySockets), value(g.Metrics.Relayed))
		eventually.Equal(t, "settled", 0, value(g.Metrics.HeldBytes))
		time.Sleep(200 * time.Millisecond)
		return (heapInUse() - before) / manySockets
	}
	long := ":" + strings.Repeat("0", 56<<10) + "80"
	for _, at := range []string{"/desk", "/webrtc/signalling/"} {
		grown(at, ":80") // what is made once
		short, long := grown(at, ":80"), grown(at, long)
		t.Log(at, "bytes a live WebSocket:", short, "with a long host:", long)
		assert.Less(t, long-short, 16.0*1024, at+": a live WebSocket keeps its long Host")
	}
}

// unfinished is a desktop that says one message, and then a frame that does not end.
func unfinished(t *testing.T) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = c.Close() }()
			b := frame.Append(nil, ws.OpText, true, []byte("hello"), false)
			b = append(b, 0x82, 127, 0, 0, 0, 0, 1, 0, 0, 0)
			_, _ = c.Write(append(b, make([]byte, 100)...))
			_, _ = io.Copy(io.Discard, rw)
		}()
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestAnswersThatWaitForTheEndOfAFrameAreFew(t *testing.T) {
	ping := frame.Append(nil, ws.OpPing, true, make([]byte, 125), true)
	kept := func(pings int) float64 {
		g := newGateway(t, generous)
		g.Wakes(unfinished(t))
		before := heapInUse()
		for range manySockets {
			c, r := upgradeRaw(t, g, "/websockets", host)
			_, err := io.CopyN(io.Discard, r, 7+10+100) // the message and the beginning of the frame
			require.NoError(t, err)
			_, err = c.Write([]byte(strings.Repeat(string(ping), pings)))
			require.NoError(t, err)
		}
		time.Sleep(time.Second)
		require.Equal(t, float64(manySockets), value(g.Metrics.Relayed)())
		return (heapInUse() - before) / manySockets
	}
	kept(1) // what is made once
	few, many := kept(1), kept(1000)
	assert.Less(t, many-few, 16.0*1024, "bytes a WebSocket")
}

func TestAnUnfinishedMessageIsCounted(t *testing.T) {
	g := newGateway(t, generous, func(c *config.Config) { c.Limits.HeldBytes, c.Limits.HeldBytesPerSession = 1<<20, 256<<10 })
	b := frame.Append(nil, ws.OpBinary, true, make([]byte, 64<<10), true)
	for range 4 {
		c, _ := upgradeRaw(t, g, "/desk", host)
		_, err := c.Write(b[:len(b)-1])
		require.NoError(t, err)
	}
	eventually.True(t, "they are counted", func() bool { return value(g.Metrics.HeldBytes)() > 200<<10 })
	c, r := upgradeRaw(t, g, "/desk", host)
	_, err := c.Write(b[:len(b)-1])
	require.NoError(t, err)
	_, _ = r.Peek(1)
	eventually.Equal(t, "one more is refused", 4, value(g.Metrics.Held))
	g.ExpectRefusals(closing.HeldBytesPerSession, 1)
}

// Trailers are header fields too.
func TestATrailerThatNamesAnIdentityReachesNoDesktop(t *testing.T) {
	g := newGateway(t)
	heard := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		heard <- fmt.Sprint(r.Header, r.Trailer)
	}))
	t.Cleanup(srv.Close)
	g.Wakes(srv)
	for _, named := range []string{"X-Forwarded-User", "x_forwarded_user"} {
		c, err := net.Dial("tcp", g.Front.Listener.Addr().String())
		require.NoError(t, err)
		_, _ = fmt.Fprintf(c, "POST /up HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: %s\r\nCookie: %s\r\n\r\n"+
			"1\r\na\r\n0\r\n%s: secret\r\n\r\n", host, named, g.As(noBrowser).Get("Cookie"), named)
		select {
		case h := <-heard:
			t.Log(h)
			assert.NotContains(t, h, "secret")
		case <-time.After(enough):
			t.Error("nothing came")
		}
		_ = c.Close()
	}
}

func TestNoDesktopGetsTheHeadersOfOtherProxies(t *testing.T) {
	g := newGateway(t)
	f := auth.NewFilter(config.Passed{})
	for name, v := range map[string]string{
		"X-Token-Subject": "ada", "X-Token-User-Email": "ada@example.com", // caddy-security
		"X-Amzn-Lattice-Identity": "ada", "X-User": "ada", // VPC Lattice, Oathkeeper
		"X-Original-Authorization": "Bearer " + g.sign(g.Owned), // our token, moved by a gateway
	} {
		h := http.Header{name: {v}}
		f.Request(h)
		assert.Empty(t, h, name)
	}
}

// Many come and go at all stages; nothing stays taken.
func TestEverythingIsGivenBack(t *testing.T) {
	g := newGateway(t, generous)
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			c, err := net.Dial("tcp", g.Front.Listener.Addr().String())
			if err != nil {
				return
			}
			long := strings.Repeat("a, ", 3<<10) + "b"
			_, _ = fmt.Fprintf(c, "GET /desk HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
				"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\nCookie: %s\r\n\r\n", host, long, g.As(noBrowser).Get("Cookie"))
			if i%3 > 0 {
				_, _ = c.Write(frame.Append(nil, ws.OpText, true, make([]byte, 30<<10), true))
			}
			if i%2 > 0 {
				time.Sleep(time.Duration(i%7) * time.Millisecond)
			}
			_ = c.Close()
		}
	}()
	for i := 0; !stop.Load() && i < 15; i++ {
		g.Wakes(newDesktop(t))
		time.Sleep(20 * time.Millisecond)
		g.Wakes(unfinished(t))
		time.Sleep(20 * time.Millisecond)
	}
	<-done
	eventually.Equal(t, "held bytes", 0, value(g.Metrics.HeldBytes))
	eventually.Equal(t, "held", 0, value(g.Metrics.Held))
	eventually.Equal(t, "live", 0, value(g.Metrics.LiveWebSockets))
	eventually.Equal(t, "relayed", 0, value(g.Metrics.Relayed))
	assert.NotContains(t, g.Logged.String(), "panicked")
}
