//go:build desktop

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/eventually"
)

func TestASecondTabOfSelkies1StormsWithSockets(t *testing.T) {
	d := startLayout(t, egl, "DESKTOP_LOOPBACK_ONLY=false")
	d.up()
	browser := newBrowser(t)
	first, closeFirst := chromedp.NewContext(browser)
	defer closeFirst()
	second, closeSecond := chromedp.NewContext(browser)
	defer closeSecond()
	live := chromedp.Poll(`window.desktop?.frames > 0`, nil, chromedp.WithPollingTimeout(patience))
	require.NoError(t, chromedp.Run(first, chromedp.Navigate(d.base+"/"), live))
	const seconds = 5
	var before, after int
	err := chromedp.Run(second,
		chromedp.Navigate(d.base+"/"),
		chromedp.Poll(`window.desktop?.error === "invalid peer uid"`, nil, chromedp.WithPollingTimeout(patience)),
		chromedp.Evaluate(`desktop.connections`, &before), chromedp.Sleep(seconds*time.Second), chromedp.Evaluate(`desktop.connections`, &after),
	)
	require.NoError(t, err)
	// Seen with the real one: 6 to 12.
	rate := float64(after-before) / seconds
	t.Logf("%.1f sockets a second", rate)
	assert.False(t, rate < 2, "the second tab opened %.1f sockets a second, want a storm", rate)
}

// TestSelkies2sPageGoesByTheWrongModeUntilItHasLearntTheRightOne has /api/status answered
// later than the client waits, as where it is held while a desktop starts.
func TestSelkies2sPageGoesByTheWrongModeUntilItHasLearntTheRightOne(t *testing.T) {
	t.Parallel()
	d := startDesktop(t, "DESKTOP_PROTOCOL=selkies2-webrtc", "DESKTOP_LOOPBACK_ONLY=false")
	d.upIn()
	to, err := url.Parse(d.base)
	require.NoError(t, err)
	const held = 3 * time.Second
	proxy := httputil.NewSingleHostReverseProxy(to)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/status" {
			pause(r.Context(), held)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer slow.Close()
	tab, cancel := chromedp.NewContext(newBrowser(t))
	defer cancel()
	ctx, stop := context.WithTimeout(tab, patience)
	defer stop()
	require.NoError(t, chromedp.Run(ctx, chromedp.Navigate(slow.URL+"/")))
	sees := func(expression string) func() bool {
		return func() (is bool) { // a page that is just being left answers with an error
			return chromedp.Run(ctx, chromedp.Evaluate(expression, &is)) == nil && is
		}
	}
	eventually.True(d.t, "it gives up asking and goes by WebSockets", sees(`desktop.mode === "websockets" && desktop.statusError.startsWith("TimeoutError")`))
	eventually.True(d.t, "it has learnt the mode and shows the picture", sees(`desktop.mode === "webrtc" && desktop.frames > 5`))
}
