//go:build desktop

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/eventually"
)

// TestPageShowsMovingPicturesInChromium opens the page in a real browser. Screenshots go
// to the file that DESKTOP_SCREENSHOT names, if any.
func TestPageShowsMovingPicturesInChromium(t *testing.T) {
	// A browser offers no loopback candidates: media takes the machine's own address.
	d := startDesktop(t, "DESKTOP_LOOPBACK_ONLY=false")
	d.up()
	ctx, cancel := chromedp.NewContext(newBrowser(t))
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, patience)
	defer cancel()

	const frames = 30
	var state string
	var marks map[string]float64
	var began time.Time
	err := chromedp.Run(ctx,
		chromedp.Navigate(d.base+"/"),
		chromedp.Poll(`window.desktop.state === "live"`, nil, chromedp.WithPollingTimeout(patience)),
		chromedp.ActionFunc(func(context.Context) error { began = time.Now(); return nil }),
		chromedp.Poll(fmt.Sprintf("window.desktop.frames >= %d", frames), nil, chromedp.WithPollingTimeout(patience)),
		chromedp.Text("#state", &state),
		chromedp.Evaluate("window.desktop.marks", &marks),
		// The middle of the terminal, then typed keys.
		chromedp.MouseClickXY(300, 300),
		chromedp.KeyEvent("echo Hello > seen\r"),
	)
	require.NoError(t, err)
	// A stalled picture takes 3 s to come back by itself; smooth, this takes 2 s.
	assert.LessOrEqual(t, time.Since(began), 4*time.Second, "%d frames took after the first: the picture stalls", frames)
	assert.Equal(t, "Connected", state, "the status bar")
	last := 0.0
	for _, name := range []string{"opened", "turn", "wsOpen", "hello", "offer", "iceConnected", "firstFrame"} {
		require.GreaterOrEqual(t, marks[name], last)
		assert.NotEqualValues(t, 0, marks[name], "mark %s: %v", name, marks)
		last = marks[name]
	}
	eventually.True(d.t, "what is typed in the page reaches the terminal", func() bool {
		code, body := d.get("/demo/files?name=seen")
		return code == 200 && body == "Hello\n"
	})
	relative := map[string]int{}
	for name, at := range marks {
		relative[name] = int(at - marks["opened"])
	}
	text, _ := json.Marshal(relative)
	t.Logf("milliseconds after opening the page: %s", text)
	if file := os.Getenv("DESKTOP_SCREENSHOT"); file != "" {
		var png []byte
		require.NoError(t, chromedp.Run(ctx, chromedp.CaptureScreenshot(&png)))
		require.NoError(t, os.WriteFile(file, png, 0o644))
	}
}

// newBrowser is a Chromium for one test; chromedp.NewContext opens tabs in it.
func newBrowser(t *testing.T) context.Context {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.WindowSize(1280, 760), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	// Messages that the library is too old to know would only confuse.
	ctx, end := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits until the browser has gone
		end()
		cancel()
	})
	require.NoError(t, chromedp.Run(ctx))
	return ctx
}
