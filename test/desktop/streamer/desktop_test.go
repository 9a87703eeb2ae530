//go:build desktop

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/desktop/viewer"
)

const patience = 40 * time.Second

// binary is the streamer, built once; it runs as a program of its own because it reaps
// every child of its process.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "streamer-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // for the user that a layout becomes
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "streamer")
	build := exec.Command("go", "build", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the streamer: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// logged is what a program has said so far.
type logged struct {
	mu   sync.Mutex // guards said
	said bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said.String()
}

// running is one streamer on a free loopback port.
type running struct {
	t     *testing.T
	base  string
	cmd   *exec.Cmd
	log   *logged
	ended chan error
}

func startDesktop(t *testing.T, env ...string) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	host, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	d := &running{t: t, base: "http://" + host + ":" + port, log: &logged{}, ended: make(chan error, 1)}
	d.cmd = exec.Command(binary)
	d.cmd.Env = append(os.Environ(), append([]string{
		"SELKIES_ADDR=" + host, "SELKIES_PORT=" + port, "DESKTOP_LOOPBACK_ONLY=true", "DESKTOP_HOME=" + t.TempDir(), "DESKTOP_STATE_DIR=" + t.TempDir(),
	}, env...)...)
	d.cmd.Stderr = d.log
	require.NoError(t, d.cmd.Start())
	go func() { d.ended <- d.cmd.Wait() }()
	t.Cleanup(func() {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.ended:
		case <-time.After(patience):
			_ = d.cmd.Process.Kill()
			t.Error("the desktop did not end on SIGTERM")
		}
		if t.Failed() {
			t.Logf("the desktop's log:\n%s", d.log)
		}
	})
	return d
}

func (d *running) get(path string) (int, string) {
	resp, err := http.Get(d.base + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func (d *running) status() (status struct {
	FramesSent uint64
	LastInput  string
	Viewers    map[string]bool
	Pointer    *struct{ X, Y int }
}) {
	d.t.Helper()
	_, body := d.get("/demo/status")
	_ = json.Unmarshal([]byte(body), &status)
	return status
}

func (d *running) up() {
	d.t.Helper()
	eventually.True(d.t, "/health answers OK", func() bool { code, body := d.get("/health"); return code == 200 && body == "OK\n" })
}

func (d *running) visit(ctx context.Context) *viewer.Viewer {
	d.t.Helper()
	v, err := viewer.Dial(ctx, viewer.Options{URL: d.base, LoopbackOnly: true})
	require.NoError(d.t, err)
	d.t.Cleanup(v.Close)
	return v
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestVisitorSeesTheScreenAndMovesThePointer(t *testing.T) {
	d := startDesktop(t)
	d.up()
	ctx := deadline(t)
	v := d.visit(ctx)
	require.NoError(t, v.WaitFrames(ctx, 30))
	stats := v.Stats()
	require.Equal(t, 1280, stats.Width)
	require.Equal(t, 720, stats.Height)
	require.NotEqual(t, 0, stats.KeyFrames, "stats %+v: want key frames of 1280x720", stats)
	require.NoError(t, v.WaitAudio(ctx, 10))
	pair, err := v.SelectedCandidatePair()
	require.NoError(t, err)
	require.False(t, pair.LocalType != "host" && pair.LocalType != "prflx", "candidate pair %s: want a direct one", pair)
	require.NoError(t, v.WaitInput(ctx))
	require.NoError(t, v.SendInput("m,321,123,0,0"))
	eventually.True(d.t, "the X server says the pointer is at 321,123", func() bool {
		p := d.status().Pointer
		return p != nil && p.X == 321 && p.Y == 123
	})
	events := v.Events()
	t.Logf("offer %s, first frame %s after opening; %s; %+v", events[viewer.EventOffer].Sub(events[viewer.EventOpened]),
		events[viewer.EventFirstFrame].Sub(events[viewer.EventOpened]), pair, v.Stats())
}

func TestTypedCommandReachesTheTerminal(t *testing.T) {
	d := startDesktop(t)
	d.up()
	ctx := deadline(t)
	v := d.visit(ctx)
	require.NoError(t, errors.Join(v.WaitFrames(ctx, 15), v.WaitInput(ctx)))
	// A click into the terminal, then a command with capitals, digits and signs.
	send := func(text string) {
		t.Helper()
		require.NoError(t, v.SendInput(text))
	}
	typed := func() bool {
		send("m,300,300,1,0")
		send("m,300,300,0,0")
		for _, r := range `echo "Aé7_$((40+2))" >typed` {
			send(fmt.Sprintf("kd,%d", r))
			send(fmt.Sprintf("ku,%d", r))
		}
		send("kd,65293")
		send("ku,65293")
		for range 50 { // the shell may still be starting: type it again then
			if code, body := d.get("/demo/files?name=typed"); code == 200 && strings.TrimSpace(body) == "Aé742" || strings.TrimSpace(body) == "Aé7_42" {
				return true
			}
			time.Sleep(20 * time.Millisecond)
		}
		return false
	}
	eventually.True(d.t, "a typed command writes a file", typed)
}

func TestSecondVisitorIsRefusedUntilTheFirstLeaves(t *testing.T) {
	d := startDesktop(t)
	d.up()
	ctx := deadline(t)
	first := d.visit(ctx)
	require.NoError(t, first.WaitFrames(ctx, 1))
	second := d.visit(ctx)
	select {
	case <-second.Done():
	case <-ctx.Done():
		t.Fatal("the second visitor was not refused")
	}
	var closed *websocket.CloseError
	require.ErrorAs(t, second.Err(), &closed)
	require.Equal(t, 1002, closed.Code)
	require.Equal(t, "invalid peer uid", closed.Text, "second visitor, want close code 1002, invalid peer uid")
	first.Close()
	eventually.True(d.t, "both ids are free again", func() bool { v := d.status().Viewers; return v != nil && !v["video"] && !v["audio"] })
	third := d.visit(ctx)
	require.NoError(t, third.WaitFrames(ctx, 5))
}

func TestSIGTERMEndsEverythingWithinASecond(t *testing.T) {
	d := startDesktop(t)
	d.up()
	ctx := deadline(t)
	v := d.visit(ctx)
	require.NoError(t, v.WaitFrames(ctx, 3))
	children := descendants(t, d.cmd.Process.Pid)
	require.GreaterOrEqual(t, len(children), 5, "the desktop has only %d processes: %v", len(children), children)
	start := time.Now()
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	err := <-d.ended
	took := time.Since(start)
	d.ended <- err
	require.NoError(t, err, "exit")
	require.LessOrEqual(t, took, time.Second, "ended, want at most 1s")
	for _, pid := range children {
		assert.Error(t, syscall.Kill(pid, 0), "process %d is still there", pid)
	}
	<-v.Done()
	var closed *websocket.CloseError
	require.ErrorAs(t, v.Err(), &closed)
	assert.Equal(t, websocket.CloseGoingAway, closed.Code, "the viewer, want close code 1001")
	t.Logf("%d processes ended in %s; the viewer saw: %v", len(children), took, v.Err())
}

func descendants(t *testing.T, pid int) (all []int) {
	t.Helper()
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		raw, _ := os.ReadFile(list)
		for _, word := range strings.Fields(string(raw)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err == nil {
				all = append(all, child)
				all = append(all, descendants(t, child)...)
			}
		}
	}
	return all
}

func TestCrashOnStartFailsTheFirstStartsOnly(t *testing.T) {
	state := t.TempDir()
	d := startDesktop(t, "DESKTOP_CRASH_ON_START=1", "DESKTOP_STATE_DIR="+state)
	err := <-d.ended
	d.ended <- err
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode(), "first start, want exit code 1")
	startDesktop(t, "DESKTOP_CRASH_ON_START=1", "DESKTOP_STATE_DIR="+state).up()
}

func TestBlockedLoopAnswersOnlyInBetween(t *testing.T) {
	d := startDesktop(t, "DESKTOP_BLOCK_LOOP=700ms")
	d.up()
	eventually.True(d.t, "a request waits for the loop", func() bool { // the first one may come before the loop sleeps
		start := time.Now()
		d.get("/health")
		return time.Since(start) > 700*time.Millisecond
	})
	ctx := deadline(t)
	v := d.visit(ctx)
	require.NoError(t, errors.Join(v.WaitFrames(ctx, 3), v.WaitAudio(ctx, 1)))
	start := time.Now()
	d.get("/health")
	require.LessOrEqual(t, time.Since(start), 500*time.Millisecond, "a request took although viewers are there")
}

func TestSlowAcceptAndStartDelay(t *testing.T) {
	begin := time.Now()
	slow := startDesktop(t, "DESKTOP_SLOW_ACCEPT=1500ms")
	late := startDesktop(t, "DESKTOP_START_DELAY=1500ms")
	addr := strings.TrimPrefix(slow.base, "http://")
	eventually.True(slow.t, "the port accepts at once", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
	if conn, err := net.Dial("tcp", strings.TrimPrefix(late.base, "http://")); err == nil && time.Since(begin) < time.Second {
		_ = conn.Close()
		t.Error("the delayed desktop listens already")
	}
	slow.up()
	late.up()
	require.GreaterOrEqual(t, time.Since(begin), 1400*time.Millisecond, "both, want at least 1.5s")
}

// TestBeThereFirst measures what the product is about: viewers that dial before the
// desktop starts.
func TestBeThereFirst(t *testing.T) {
	d := startDesktop(t)
	start := time.Now()
	ctx := deadline(t)
	var v *viewer.Viewer
	eventually.True(d.t, "a viewer gets in", func() bool {
		var err error
		v, err = viewer.Dial(ctx, viewer.Options{URL: d.base, LoopbackOnly: true})
		return err == nil
	})
	t.Cleanup(v.Close)
	require.NoError(t, v.WaitFrames(ctx, 1))
	e := v.Events()
	t.Logf("from the process's start: socket %s, offer %s, connected %s, first frame %s", e[viewer.EventOpen].Sub(start),
		e[viewer.EventOffer].Sub(start), e[viewer.EventICEConnected].Sub(start), e[viewer.EventFirstFrame].Sub(start))
}
