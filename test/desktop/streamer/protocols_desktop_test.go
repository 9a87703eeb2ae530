//go:build desktop

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/desktop/viewer"
)

// beyondSelkies1 are the protocols in which a viewer counts frames and sends input.
var beyondSelkies1 = map[string]viewer.Protocol{
	"selkies2-webrtc": viewer.Selkies2WebRTC, "selkies2-websockets": viewer.Selkies2WebSockets, "linuxserver": viewer.LinuxServer,
}

// upIn waits until a desktop of any protocol serves its page.
func (d *running) upIn() {
	d.t.Helper()
	eventually.True(d.t, "the page is served", func() bool { code, _ := d.get("/"); return code == http.StatusOK })
}

func (d *running) pointer() (x, y int) {
	if p := d.status().Pointer; p != nil {
		return p.X, p.Y
	}
	return -1, -1
}

func TestEveryProtocolShowsTheScreenAndMovesThePointer(t *testing.T) {
	for name, protocol := range beyondSelkies1 {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startDesktop(t, "DESKTOP_PROTOCOL="+name)
			d.upIn()
			ctx := deadline(t)
			v, err := viewer.Dial(ctx, viewer.Options{URL: d.base, Protocol: protocol, LoopbackOnly: true})
			require.NoError(t, err)
			defer v.Close()
			require.NoError(t, errors.Join(v.WaitFrames(ctx, 20), v.WaitAudio(ctx, 3), v.WaitInput(ctx), v.SendInput("m,321,123,0,0")))
			s := v.Stats()
			require.Equal(t, 1280, s.Width)
			require.Equal(t, 720, s.Height)
			assert.Equal(t, 0, s.Broken, "stats %+v: want whole frames of 1280x720 without a gap", s)
			eventually.True(d.t, "the X server says the pointer is at 321,123", func() bool { x, y := d.pointer(); return x == 321 && y == 123 })
		})
	}
}

func TestNumbersArriveFromThePlainDesktop(t *testing.T) {
	d := startDesktop(t, "DESKTOP_PROTOCOL=plain")
	d.upIn()
	require.NoError(t, viewer.Numbers(deadline(t), viewer.Options{URL: d.base}, [][]byte{[]byte("a"), []byte("b")}, 50))
}

func TestEveryPageShowsMovingPicturesInChromium(t *testing.T) {
	browser := newBrowser(t)
	for _, name := range []string{"selkies2-webrtc", "selkies2-websockets", "linuxserver", "plain"} {
		t.Run(name, func(t *testing.T) {
			// A browser offers no loopback candidates: media takes the machine's own address.
			env := []string{"DESKTOP_PROTOCOL=" + name, "DESKTOP_LOOPBACK_ONLY=false"}
			start := func() *running { return startDesktop(t, env...) }
			if name == string(linuxServer) {
				start = func() *running { return startLayout(t, lsio, env...) }
			}
			d := start()
			d.upIn()
			tab, cancel := chromedp.NewContext(browser)
			defer cancel()
			ctx, stop := context.WithTimeout(tab, patience)
			defer stop()
			const frames = 15
			var marks map[string]float64
			var state string
			var gaps int
			err := chromedp.Run(ctx,
				chromedp.Navigate(d.base+"/"),
				chromedp.Poll(fmt.Sprintf("window.desktop.frames >= %d", frames), nil, chromedp.WithPollingTimeout(patience)),
				chromedp.Text("#state", &state),
				chromedp.Evaluate("window.desktop.marks", &marks),
				chromedp.Evaluate("window.desktop.gaps || 0", &gaps),
				chromedp.MouseClickXY(300, 300),
			)
			require.NoError(t, err)
			require.Equal(t, "Connected", state)
			assert.Equal(t, 0, gaps, "the status bar, gaps")
			last := 0.0
			for _, mark := range []string{"opened", "wsOpen", "offer", "firstFrame"} {
				require.GreaterOrEqual(t, marks[mark], last)
				assert.NotEqualValues(t, 0, marks[mark], "mark %s: %v", mark, marks)
				last = marks[mark]
			}
			if name == "plain" {
				err := chromedp.Run(ctx, chromedp.Poll("window.desktop.echoes > 0", nil, chromedp.WithPollingTimeout(patience)))
				assert.NoError(t, err, "no click came back")
				return
			}
			eventually.True(d.t, "the click reaches the X server", func() bool { return strings.HasPrefix(d.status().LastInput, "m,") })
		})
	}
}

func TestSelkies2sAppJoinsLate(t *testing.T) {
	d := startDesktop(t, "DESKTOP_PROTOCOL=selkies2-webrtc", "DESKTOP_PEER_DELAY=1500ms")
	d.upIn()
	ctx := deadline(t)
	v, err := viewer.Dial(ctx, viewer.Options{URL: d.base, Protocol: viewer.Selkies2WebRTC, LoopbackOnly: true})
	require.NoError(t, err)
	defer v.Close()
	require.NoError(t, v.WaitFrames(ctx, 3))
	e := v.Events()
	assert.True(t, e[viewer.EventSession].After(e[viewer.EventHello].Add(time.Second/2)),
		"the call was taken %s after HELLO, want after a second try", e[viewer.EventSession].Sub(e[viewer.EventHello]))
}

// died waits for the end and checks that it is the one that was asked for.
func (d *running) died() {
	d.t.Helper()
	err := <-d.ended
	d.ended <- err
	var exit *exec.ExitError
	require.ErrorAs(d.t, err, &exit)
	require.Equal(d.t, exitStatus, exit.ExitCode(), "ended")
}

func TestADesktopDiesWhileLiveWithoutAWord(t *testing.T) {
	d := startDesktop(t, "DESKTOP_ALLOW_EXIT=true")
	d.up()
	ctx := deadline(t)
	v := d.visit(ctx)
	require.NoError(t, v.WaitFrames(ctx, 3))
	if resp, err := http.Post(d.base+"/demo/exit", "", nil); err == nil {
		_ = resp.Body.Close()
		t.Errorf("the request was answered %s, want its connection to end", resp.Status)
	}
	d.died()
	<-v.Done()
	var closed *websocket.CloseError
	assert.False(t, errors.As(v.Err(), &closed) && closed.Code != websocket.CloseAbnormalClosure, "the viewer was told %v", closed)
}

func TestADesktopDiesBeforeItsFirstMessageAndServesTheNextTime(t *testing.T) {
	state := t.TempDir()
	env := []string{"DESKTOP_EXIT_ON_UPGRADE=1", "DESKTOP_STATE_DIR=" + state}
	d := startDesktop(t, env...)
	d.up()
	ctx := deadline(t)
	v, err := viewer.Dial(ctx, viewer.Options{URL: d.base, LoopbackOnly: true, NoAudio: true})
	require.NoError(t, err)
	defer v.Close()
	d.died()
	<-v.Done()
	_, answered := v.Events()[viewer.EventHello]
	assert.False(t, answered, "HELLO was answered")
	again := startDesktop(t, env...)
	again.up()
	require.NoError(t, again.visit(ctx).WaitFrames(ctx, 3))
}

func TestADesktopDiesAfterAWhile(t *testing.T) {
	startDesktop(t, "DESKTOP_EXIT_AFTER=200ms").died()
}
