package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// xvfb runs a real X server for the test, on a display that is free, and returns its
// abstract socket.
func xvfb(t *testing.T) (socket, display string) {
	t.Helper()
	program, err := exec.LookPath("Xvfb")
	if err != nil {
		t.Skip("no Xvfb on this machine")
	}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(program, "-displayfd", "3", "-screen", "0", "64x64x24", "-ac", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w}
	require.NoError(t, cmd.Start())
	_ = w.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	number, err := io.ReadAll(r)
	_ = r.Close()
	require.NoError(t, err)
	require.NotEmpty(t, number, "the X server did not start")
	n := strings.TrimSpace(string(number))
	return "@/tmp/.X11-unix/X" + n, ":" + n
}

// press presses a key as a streaming server does, by XTEST.
func press(t *testing.T, display string) {
	t.Helper()
	x, err := xgb.NewConnDisplay(display)
	require.NoError(t, err)
	defer x.Close()
	require.NoError(t, xtest.Init(x))
	root := xproto.Setup(x).DefaultScreen(x).Root
	for _, kind := range []byte{xproto.KeyPress, xproto.KeyRelease} {
		require.NoError(t, xtest.FakeInputChecked(x, kind, 38, 0, root, 0, 0, 0).Check())
	}
}

func TestOnlyInputAtARealDisplayIsSeenAsInput(t *testing.T) {
	socket, display := xvfb(t)
	a := New(Options{Proc: "/proc", Log: slog.New(slog.DiscardHandler)})
	in := &input{displays: map[string]*watched{}}
	defer in.close()
	a.read(in)
	require.NotNil(t, in.displays[socket], "%s was not found among %v", socket, sockets("/proc"))
	time.Sleep(2 * sameInput) // more than two readings of the same input may differ by
	a.read(in)
	assert.True(t, in.last.IsZero(), "a display's start was taken for input")
	before := time.Now()
	press(t, display)
	a.read(in)
	require.False(t, in.last.Before(before.Add(-sameInput)))
	assert.False(t, in.last.After(time.Now()), "input at %s, want about %s", in.last, before)
}

func TestInputIsToldToOneActivatorThatTakesIt(t *testing.T) {
	var got []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.URL.Path+" "+string(body))
		w.Header().Set("Report-Every", "2.5s")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	a := New(Options{Pod: "ada-1", Token: "t", Log: slog.New(slog.DiscardHandler)})
	defer a.client.CloseIdleConnections()
	gone := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), freePort(t))
	a.peers = []peer{gone, netip.MustParseAddrPort(srv.Listener.Addr().String()), gone}
	every, ok := a.reportInput(context.Background(), 1500*time.Millisecond)
	require.True(t, ok)
	assert.Equal(t, 2500*time.Millisecond, every, "taken, the next; want it taken, and as its taker wishes")
	require.Len(t, got, 1)
	assert.Equal(t, `/v1/activity {"pod":"ada-1","idleMilliseconds":1500}`, got[0])
	a.peers = nil
	if _, ok := a.reportInput(context.Background(), 0); ok {
		t.Error("it was taken by nobody")
	}
	for wish, want := range map[string]time.Duration{
		"": 15 * time.Second, "soon": 15 * time.Second, "1ns": time.Second, "-1s": time.Second, "1h": 15 * time.Second,
	} {
		assert.Equal(t, want, nextReport(wish), "wished for %q, reports every", wish)
	}
}

// The X server is the desktop's user's, who may put anything in its place.
func TestAHostileDisplayCannotHarmTheAgent(t *testing.T) {
	good := func() []byte {
		setup := make([]byte, 8+32+8)
		setup[0] = 1
		binary.LittleEndian.PutUint16(setup[6:], uint16((len(setup)-8)/4))
		return setup
	}
	for name, answer := range map[string][]byte{
		"says nothing":      {},
		"refuses":           {0, 0, 11, 0, 0, 0, 0, 0},
		"greets for ever":   {1, 0, 11, 0, 0, 0, 0xff, 0xff},
		"greets in short":   {1, 0, 11, 0, 0, 0, 1, 0, 0, 0, 0, 0},
		"has no screen":     func() []byte { b := good(); binary.LittleEndian.PutUint16(b[24:], 0xffff); return b }(),
		"has many formats":  func() []byte { b := good(); b[29] = 255; return b }(),
		"sends events only": append(good(), bytes.Repeat([]byte{2}, 32*(maxEvents+1))...),
		"replies at length": append(good(), 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff),
		"is an error":       append(good(), make([]byte, 32)...),
		"is no saver":       append(good(), append([]byte{1}, make([]byte, 31)...)...),
	} {
		t.Run(name, func(t *testing.T) {
			at := fmt.Sprintf("@vdi-agent-test-%d-%s", os.Getpid(), name)
			l, err := net.Listen("unix", at)
			require.NoError(t, err)
			defer func() { _ = l.Close() }()
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write(answer)
				_ = c.Close()
			}()
			if d, err := openDisplay(at); err == nil {
				d.close()
				t.Error("it was taken for a display")
			}
		})
	}
}
