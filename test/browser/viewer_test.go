//go:build browser

package browser

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

// What a tab shows.
const (
	pictureShown   = harness.DesktopShown + ` && frames[0]?.document.body?.dataset.picture`
	elsewhereShown = `document.body.dataset.state === "elsewhere" && !document.querySelector("iframe") && !document.body.classList.contains("shown")`
)

// closedAfter is how long a page's stream may be gone before another page may show
// the desktop.
const closedAfter = 4 * time.Second

// oneViewer is a desktop with room for one viewer, and with that viewer's client, which
// do as Selkies 1.6.2: who comes second is closed with 1002, and comes again at once, on
// both sockets.
type oneViewer struct {
	*httptest.Server
	opened atomic.Int32 // sockets
	mu     sync.Mutex
	peers  map[string]*websocket.Conn
}

func newOneViewer(t *testing.T) *oneViewer {
	t.Helper()
	d := &oneViewer{peers: map[string]*websocket.Conn{}}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/signalling/"):
			d.signal(w, r)
		case r.URL.Path == "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, oneViewerPage)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *oneViewer) signal(w http.ResponseWriter, r *http.Request) {
	ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.Close() }()
	d.opened.Add(1)
	_, hello, err := ws.ReadMessage()
	if err != nil {
		return
	}
	peer := strings.TrimPrefix(string(hello), "HELLO ")
	d.mu.Lock()
	if d.peers[peer] != nil {
		d.mu.Unlock()
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1002, "invalid peer uid"), time.Now().Add(time.Second))
		return
	}
	d.peers[peer] = ws
	_ = ws.WriteMessage(websocket.TextMessage, []byte("HELLO"))
	if len(d.peers) == 2 {
		for _, p := range d.peers {
			_ = p.WriteMessage(websocket.TextMessage, []byte("PICTURE"))
		}
	}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.peers, peer)
	}()
	for err == nil {
		_, _, err = ws.ReadMessage()
	}
}

const oneViewerPage = `<!doctype html><title>Desktop</title><body><script>
let sockets = [];
const connect = () => {
	sockets = [1, 3].map((peer) => {
		const ws = new WebSocket("ws://" + location.host + "/webrtc/signalling/");
		ws.onopen = () => ws.send("HELLO " + peer);
		ws.onmessage = (event) => { if (event.data === "PICTURE") document.body.dataset.picture = "yes"; };
		ws.onclose = () => {
			if (!sockets.includes(ws)) return;
			const both = sockets;
			sockets = [];
			delete document.body.dataset.picture;
			for (const one of both) one.close();
			connect();
		};
		return ws;
	});
};
connect();
</script>`

// balance serves all replicas, each request at the next.
func balance(t testing.TB, replicas ...*gatewaytest.Gateway) http.Handler {
	t.Helper()
	var next atomic.Int32
	var at []*url.URL
	for _, r := range replicas {
		u, err := url.Parse(r.Front.URL)
		require.NoError(t, err)
		at = append(at, u)
	}
	idle := &http.Transport{DisableKeepAlives: true}
	return &httputil.ReverseProxy{FlushInterval: -1, Transport: idle, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(at[int(next.Add(1))%len(at)])
		r.Out.Host = r.In.Host
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }}
}

// withReplicas lets a person visit that many replicas at one address.
func (v *visit) withReplicas(n int) {
	v.T.Helper()
	all := []*gatewaytest.Gateway{v.Gateway}
	for len(all) < n {
		all = append(all, v.Another())
	}
	if n > 1 {
		v.front(balance(v.T, all...))
	}
}

// tab is another tab of the same browser.
func (v *visit) tab(options ...chromedp.ContextOption) *visit {
	v.T.Helper()
	ctx, cancel := chromedp.NewContext(v.Ctx, options...)
	v.T.Cleanup(cancel)
	out := *v
	out.Browser = &harness.Browser{Ctx: ctx}
	out.run(emulation.SetFocusEmulationEnabled(true)) // as if each were in a window of its own
	return &out
}

func (v *visit) shut() {
	v.T.Helper()
	require.NoError(v.T, chromedp.Cancel(v.Ctx))
}

func (v *visit) opens() { v.T.Helper(); v.run(chromedp.Navigate(v.home + "/")) }

// remembers lets a tab keep the states that each of its pages was in.
func (v *visit) remembers() {
	v.T.Helper()
	v.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := cdppage.AddScriptToEvaluateOnNewDocument(`if (window === top) {
	window.states = [];
	addEventListener("DOMContentLoaded", () => {
		const note = () => states.push(document.body.dataset.state);
		note();
		new MutationObserver(note).observe(document.body, { attributes: true, attributeFilter: ["data-state"] });
	});
}`).Do(ctx)
		return err
	}))
}

func TestASecondTabSaysSoTakesOverAndGivesBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		replicas int
		protocol v1alpha1.StreamingProtocol
	}{
		"one replica":                         {1, v1alpha1.ProtocolSelkies1},
		"two replicas and an unnamed desktop": {2, v1alpha1.ProtocolAuto},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVisit(t)
			v.withReplicas(tc.replicas)
			v.Speaks(tc.protocol)
			desktop := newOneViewer(t)
			v.Wakes(desktop.Server)
			v.link("/")
			v.until(pictureShown)
			eventually.Equal(v.T, "it has the view", 1, v.Recorded)

			second := v.tab()
			second.opens()
			second.until(elsewhereShown + ` && document.title === "This desktop is open in another tab" && document.getElementById("again").textContent === "Use it here"`)
			second.until(`document.activeElement.id === "again"`)
			v.until(pictureShown)
			assert.EqualValues(t, 2, desktop.opened.Load(), "sockets were opened, want the first tab's two")

			second.run(chromedp.Click("#again"))
			second.until(pictureShown)
			v.until(elsewhereShown)

			v.run(chromedp.Click("#again"))
			v.until(pictureShown)
			second.until(elsewhereShown)
			time.Sleep(2 * time.Second)
			v.until(pictureShown)
			n := desktop.opened.Load()
			assert.False(t, n > 20, "%d sockets were opened for three views", n)
			v.ExpectRefusals(closing.UserRate, 0)
		})
	}
}

func TestATabThatIsClosedLeavesTheDesktopToTheOneThatWaits(t *testing.T) {
	v := newVisit(t)
	v.withReplicas(2)
	v.Speaks(v1alpha1.ProtocolSelkies1)
	v.Wakes(newOneViewer(t).Server)
	v.link("/")
	v.until(pictureShown)
	second, third := v.tab(), v.tab()
	for _, tab := range []*visit{second, third} {
		tab.opens()
		tab.until(elsewhereShown)
	}
	second.run(chromedp.Click("#again"))
	second.until(pictureShown)
	v.until(elsewhereShown)
	before := v.Recorded()
	second.shut()
	shows := func(tab *visit) bool {
		var is bool
		_ = chromedp.Run(tab.Ctx, chromedp.Evaluate("!!("+pictureShown+")", &is))
		return is
	}
	eventually.True(v.T, "one of the others shows it", func() bool { return shows(v) || shows(third) })
	time.Sleep(time.Second)
	assert.False(t, shows(v) && shows(third), "both show it")
	assert.LessOrEqual(t, v.Recorded()-before, 3, "records of a release and a claim")
}

func TestATabThatIsLoadedAgainKeepsTheDesktop(t *testing.T) {
	t.Parallel()
	for name, domain := range map[string]string{"a secure host": "vdi.localhost", "an insecure host, without locks": "vdi.test"} {
		t.Run(name, func(t *testing.T) {
			v := newVisit(t, func(c *config.Config) { c.URL.Domain = domain })
			v.withReplicas(2)
			v.Speaks(v1alpha1.ProtocolSelkies1)
			v.Wakes(newOneViewer(t).Server)
			v.link("/")
			v.until(pictureShown)
			second := v.tab()
			second.remembers()
			second.opens()
			second.until(elsewhereShown)
			v.remembers()
			for range 3 {
				v.run(chromedp.Reload())
				v.until(pictureShown)
				assert.NotContains(t, v.text(`states.join()`), string(page.StateElsewhere), "the page was in the states")
			}
			time.Sleep(closedAfter + time.Second)
			v.until(pictureShown)
			assert.Equal(t, string(page.StateElsewhere), second.text(`states.slice(1).join()`), "the tab that waits was in the states")
		})
	}
}

func TestATabsDuplicateIsAnotherPage(t *testing.T) {
	v := newVisit(t)
	v.Speaks(v1alpha1.ProtocolSelkies1)
	v.Wakes(newOneViewer(t).Server)
	v.link("/")
	v.until(pictureShown)
	opened := chromedp.WaitNewTarget(v.Ctx, func(i *target.Info) bool {
		return i.Type == "page" && i.OpenerID == chromedp.FromContext(v.Ctx).Target.TargetID
	})
	// It begins with a copy of its opener's session storage, as a duplicate does.
	v.run(chromedp.Evaluate(`window.open(location.href) && 1`, nil, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithUserGesture(true) }))
	second := v.tab(chromedp.WithTargetID(<-opened))
	second.until(elsewhereShown)
	v.until(pictureShown)
	// And it is the same one when it is loaded again, with the view and without.
	second.run(chromedp.Click("#again"))
	second.until(pictureShown)
	second.run(chromedp.Reload())
	second.until(pictureShown)
	v.until(elsewhereShown)
}

func TestAHiddenTabIsToldThatItsDesktopWasTakenOver(t *testing.T) {
	v := newVisit(t)
	v.Speaks(v1alpha1.ProtocolSelkies1)
	v.Wakes(newOneViewer(t).Server)
	v.link("/")
	v.until(pictureShown)
	v.hides(true)
	time.Sleep(closedAfter + time.Second)
	second := v.tab()
	second.opens()
	second.until(elsewhereShown) // the hidden one has it
	second.run(chromedp.Click("#again"))
	second.until(pictureShown)
	v.until(elsewhereShown)
	second.hides(false)
	second.shut()
	time.Sleep(closedAfter + time.Second)
	v.until(elsewhereShown) // nobody sees it
	v.hides(false)
	v.until(pictureShown)
}

// hides lets a tab believe that it is behind another one, or not.
func (v *visit) hides(is bool) {
	v.T.Helper()
	state := "visible"
	if is {
		state = "hidden"
	}
	v.run(chromedp.Evaluate(`Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "`+state+`" });
document.dispatchEvent(new Event("visibilitychange"))`, nil))
}
