//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/test/harness"
)

// silentFor is how often a silent connection is asked by the activator whether it is still
// there, every 20 s, before it says something again.
const silentFor = 2

// TestVisitorsComeInThroughTraefik opens sleeping desktops by https through a real
// Traefik, by each kind of ingress object that the chart makes but an Ingress, by which the
// stranger's desktops are opened, and by path.
func TestVisitorsComeInThroughTraefik(t *testing.T) {
	t.Parallel()
	image, err := in.Traefik(t.Context()) // it may have to be built: no part of the story's time
	if errors.Is(err, harness.ErrNotOurs) {
		t.Skip(err)
	}
	require.NoError(t, err)
	ctx := story(t)
	f := newFront(ctx, t, image)
	byHost := config.URL{Routing: config.RoutingHost, Domain: "byhost.test"}
	byPath := config.URL{Routing: config.RoutingPath, Domain: "bypath.test"}
	all := []string{"activator", "ingress"}
	f.renders(ctx, "byhost", all, "ingress.domain="+byHost.Domain, "ingress.type=IngressRoute", "ingress.className=", "ingress.traefik.entryPoints={ingressroute}")
	f.renders(ctx, "byhost", all[1:], "ingress.domain="+byHost.Domain, "ingress.type=HTTPRoute", "ingress.gateway.create=true", "ingress.gateway.port=8443")
	f.renders(ctx, "bypath", all, "ingress.domain="+byPath.Domain, "url.routing=path", "ingress.type=IngressRoute", "ingress.className=", "ingress.traefik.entryPoints={path}")
	echo := echoing(t, nil)
	desktop := template(t, func(s *v1alpha1.VDITemplateSpec) { s.Lifecycle.DisconnectTimeout = clock(time.Minute) })
	f.ready(ctx, 3)

	t.Run("kinds", func(t *testing.T) { // they end before the front does
		for entry := range entryPoints {
			at, cookie := byHost, "__Host-vdi-session"
			if entry == "path" {
				at, cookie = byPath, "__Secure-vdi-session"
			}
			t.Run(entry, func(t *testing.T) {
				t.Parallel()
				ctx := story(t)
				key := session(ctx, t, "by-"+entry, echo, nil)
				v := f.visitor(ctx, t, f.link(ctx, key, at, entry), entry)
				c := v.HTTP.Jar.Cookies(v.URL)
				require.Len(t, c, 1)
				assert.Equal(t, cookie, c[0].Name, "the link became the cookies")
				heldThenSilent(ctx, t, v)
			})
		}
		t.Run("browser", func(t *testing.T) {
			t.Parallel()
			ctx := story(t)
			key := session(ctx, t, "by-browser", desktop, nil)
			link := f.link(ctx, key, byPath, "path")
			// A desktop of Selkies is one that asks.
			findsTURN(ctx, t, f.visitor(ctx, t, link, "path"))
			browser, err := harness.OpenBrowser(ctx, chromedp.IgnoreCertErrors, chromedp.Flag("host-resolver-rules", "MAP "+byPath.Domain+" "+f.ip))
			require.NoError(t, err)
			t.Cleanup(browser.Close)
			p := &person{browser, t, ctx, key}
			p.opens(link)
			p.sees(harness.DesktopShown + " && " + harness.FirstFrameShown)
			p.sees(`isSecureContext && location.pathname === "/by-browser--` + namespace + `/" && !location.search`)
		})
	})
}

// heldThenSilent says something while the desktop sleeps, hears it back once it is
// awake, and is heard after a long silence too.
func heldThenSilent(ctx context.Context, t *testing.T, v *harness.Visitor) {
	t.Helper()
	ws, resp, err := v.WebSocket(ctx, echoPath)
	require.NoError(t, err, "(%+v)", resp)
	defer func() { _ = ws.Close() }()
	defer context.AfterFunc(ctx, func() { _ = ws.Close() })()
	hears := func(want string) {
		t.Helper()
		_, heard, err := ws.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, want, string(heard), "heard %q", heard)
	}
	for _, m := range []string{"one", "two"} {
		require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(m)))
	}
	hears("one")
	hears("two")
	asked := 0
	ws.SetPingHandler(func(data string) error {
		if err := ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(patience)); err != nil {
			return err
		}
		if asked++; asked == silentFor {
			return ws.WriteMessage(websocket.TextMessage, []byte("still here"))
		}
		return nil
	})
	hears("still here")
}

// findsTURN asks for the TURN configuration where Selkies 1.6 does, at the root of the
// host, and is led to the session's.
func findsTURN(ctx context.Context, t *testing.T, v *harness.Visitor) {
	t.Helper()
	root, err := url.Parse("/turn")
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.URL.ResolveReference(root).String(), nil)
	require.NoError(t, err)
	req.Header.Set("Referer", v.URL.String())
	follows := *v.HTTP
	follows.CheckRedirect = nil
	resp, err := follows.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		ICEServers []struct{ URLs []string } `json:"iceServers"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.ICEServers) == 0 || !strings.HasSuffix(resp.Request.URL.Path, "/turn") {
		t.Errorf("%s answered %s: %+v, %v", resp.Request.URL, resp.Status, answer, err)
	}
}
