//go:build browser

package browser

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	ours "github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/test/harness"
)

// withholds puts a proxy in front of the activator that passes no event on.
func (v *visit) withholds() {
	v.T.Helper()
	to, err := url.Parse(v.Front.URL)
	require.NoError(v.T, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
		r.Out.Host = r.In.Host
	}}
	v.front(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == ours.EventsPath {
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
	}))
}

// front is what the person comes to instead of the activator, at another port. The browser
// ends first: the streams of its pages would keep the server.
func (v *visit) front(h http.Handler) {
	v.T.Helper()
	srv := httptest.NewServer(h)
	v.T.Cleanup(func() {
		v.Close()
		srv.Close()
	})
	at, err := url.Parse(srv.URL)
	require.NoError(v.T, err)
	home, err := url.Parse(v.home)
	require.NoError(v.T, err)
	v.home = "http://" + home.Hostname() + ":" + at.Port()
}

func TestThePageWorksWhereAProxyKeepsItsEventsBack(t *testing.T) {
	v := newVisit(t)
	v.withholds()
	v.link("/")
	v.until(`document.body.dataset.state === "waiting"`)
	v.Wakes(framed(t))
	v.until(harness.DesktopShown)
}

func TestATabThatNobodyHasSeenHoldsNoDesktop(t *testing.T) {
	v := newVisit(t)
	v.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(
			`Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" })`).Do(ctx)
		return err
	}))
	v.Wakes(framed(t))
	v.link("/")
	v.until(`document.body.dataset.state === "ready"`)
	time.Sleep(2 * time.Second) // there is nothing to wait for
	assert.Equal(t, "0", v.text(`String(frames.length)`), "frames of a page that nobody has seen")
	assert.Equal(t, 0, v.Inputs(), "inputs")
	v.hides(false)
	v.until(harness.DesktopShown)
}
