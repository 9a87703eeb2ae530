package activator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/activator/clientcache"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/signins"
	"github.com/org/vdi-operator/activator/turnconfig"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	enough = 10 * time.Second
	host   = "alice--desktops.vdi.localhost"
)

var alice = types.NamespacedName{Namespace: "desktops", Name: "alice"}

// gateway is a whole activator with one session, asleep, whose desktop is the
// test's own.
type gateway struct {
	*Server
	t     testing.TB
	front *httptest.Server
	// entrance is the front's.
	entrance *listener.Admission
	signer   *token.Signer
	// owned is the session as tokens are signed for it.
	owned *v1alpha1.VDISession
	// host is where visitors find the session.
	host string
	// visits sign its cookies, signIns are who has signed in, and portalAt is where the portal
	// listens that the test has.
	visits   *visit.Keys
	signIns  *signins.Store
	portalAt string

	mu      sync.Mutex
	session *v1alpha1.VDISession
	writes  []record.Activity
	// latency is how long the API server takes to write.
	latency time.Duration
	log     bytes.Buffer
	// image is what the next pod runs.
	image string
	// version counts the changes of the session, refusing is what the API server answers
	// to who records a viewer, and viewers are the records.
	version  int
	refusing error
	viewed   []*v1alpha1.SessionViewer
	// api is the one whose API server this replica has, where it is not the only one;
	// replicas are the others.
	api      *gateway
	replicas []*gateway
	how      []func(*config.Config)
}

func newGateway(t testing.TB, how ...func(*config.Config)) *gateway {
	t.Helper()
	return newGatewayAs(t, tokentest.Signer(t), how...)
}

func newGatewayAs(t testing.TB, signer *token.Signer, how ...func(*config.Config)) *gateway {
	t.Helper()
	g := &gateway{t: t, image: "desktop@sha256:aaaa", signer: signer, how: how}
	cfg := config.Default()
	cfg.URL = config.URL{Scheme: "http", Routing: config.RoutingHost, Domain: "vdi.localhost"}
	cfg.TURN.URLs = []string{"stun:turn.example:3478", "turn:turn.example:3478"}
	for _, h := range how {
		h(&cfg)
	}
	if cfg.Portal != nil {
		g.portalAt = newPortal(t)
		if strings.HasPrefix(cfg.Portal.Service, "http") { // where a test says that it is
			g.portalAt = cfg.Portal.Service
		}
	}
	log := slog.New(slog.NewTextHandler(lockedWriter{&g.mu, &g.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	m := metrics.NewActivator(prometheus.NewRegistry())
	clients := clientcache.New(cfg.Limits.ClientCacheBytes, auth.NewFilter(cfg.Passed, auth.ForwardedFields(cfg.Auth.Forwarded)...), m)
	dir := directory.New(cfg.URL.SessionAddress, clients.Forget)
	tracker := wake.NewTracker(ctx, dir, g, m, log)
	g.visits, g.signIns = visitKeys(t), signins.New()
	guard := auth.NewGuard(auth.Options{Verifier: g.signer.Verifier(), Visits: g.visits, URL: cfg.URL, Auth: cfg.Auth, Shares: g, SignIns: g.signIns})
	proxies, err := listener.ParseProxies(cfg.TrustedProxies)
	require.NoError(t, err)
	g.Server = New(Options{Config: cfg, Proxies: proxies, Directory: dir, Tracker: tracker, Viewers: g, Clients: clients, Guard: guard, SignIns: g.signIns, PortalAt: g.portalAt, RedeemAt: g.portalAt,
		Verifier: g.signer.Verifier(), TURN: &turnconfig.Server{Config: cfg.TURN, Secret: func() []byte { return []byte("shared") }, Log: log}, Metrics: m, Log: log})
	g.session = &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name, UID: "1"}}
	g.session.Spec.User = "alice@example.com"
	g.session.Status.ObservedGeneration, g.session.Status.Phase = 1, v1alpha1.PhaseAsleep
	g.owned = g.session.DeepCopy()
	g.host = cfg.URL.SessionHost(alice.Namespace, alice.Name)
	dir.SetSession(g.session)
	// As cmd/activator serves it.
	g.front = httptest.NewUnstartedServer(nil)
	g.entrance = listener.New(cfg.Limits, proxies, m, log)
	g.front.Config = g.entrance.Server(g.Server)
	g.front.Listener = g.entrance.Listener(g.front.Listener.(*net.TCPListener))
	g.front.Start()
	t.Cleanup(func() {
		g.StopHolding()
		ended, end := context.WithCancel(context.Background())
		end()
		g.Drain(ended)
		g.front.Close()
		cancel()
		tracker.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	return g
}

func visitKeys(t testing.TB) *visit.Keys {
	t.Helper()
	k, err := visit.NewKeys(keyset.New().Bytes())
	require.NoError(t, err)
	return k
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// WriteActivity is the API server: what is written comes back by the watch.
func (g *gateway) WriteActivity(_ context.Context, key types.NamespacedName, a record.Activity) error {
	if key != alice {
		return errors.New("another session's activity")
	}
	if g.api != nil {
		return g.api.WriteActivity(context.Background(), key, a)
	}
	time.Sleep(g.latency)
	g.mu.Lock()
	g.writes = append(g.writes, a)
	g.mu.Unlock()
	if !a.Wake.IsZero() || a.Protocol != "" {
		g.change(func(s *v1alpha1.VDISession) {
			if s.Status.Activity == nil {
				s.Status.Activity = &v1alpha1.SessionActivity{}
			}
			if !a.Wake.IsZero() {
				s.Status.Activity.LastWakeTime = &metav1.MicroTime{Time: a.Wake}
			}
			if a.Protocol != "" {
				s.Status.Activity.Protocol = a.Protocol
			}
		})
	}
	return nil
}

func (g *gateway) change(how func(*v1alpha1.VDISession)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changeLocked(how)
}

func (g *gateway) changeLocked(how func(*v1alpha1.VDISession)) {
	g.session = g.session.DeepCopy()
	how(g.session)
	g.version++
	g.session.ResourceVersion = strconv.Itoa(g.version)
	g.Directory.SetSession(g.session)
	for _, r := range g.replicas {
		r.Directory.SetSession(g.session)
	}
}

// sleeps is what the operator records when a clock puts the desktop to sleep.
func (g *gateway) sleeps(reason lifecycle.Reason, message string) {
	g.change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime, s.Status.SleepTime, s.Status.SleepReason = nil, &metav1.MicroTime{Time: time.Now()}, string(reason)
		s.Status.Phase, s.Status.Message = v1alpha1.PhaseAsleep, message
		if reason == lifecycle.ReasonStartup {
			s.Status.Phase = v1alpha1.PhaseFailed
		}
	})
}

// wakes is what operator and kubelet record when the desktop comes.
func (g *gateway) wakes(desktop *httptest.Server) {
	g.change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime, s.Status.Phase = &metav1.MicroTime{Time: time.Now()}, v1alpha1.PhaseRunning
	})
	p := podOf(g.owned, desktop)
	p.Name, p.UID, p.Spec.Containers[0].Image = "p", "p", g.image
	g.Directory.SetPod(p)
	for _, r := range g.replicas {
		r.Directory.SetPod(p)
	}
}

// podOf is a pod of the session's in which a desktop of the test's runs.
func podOf(s *v1alpha1.VDISession, desktop *httptest.Server) *corev1.Pod {
	addr := desktop.Listener.Addr().(*net.TCPAddr)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, UID: s.UID, Labels: map[string]string{v1alpha1.LabelSession: s.Name}}}
	p.Spec.Containers = []corev1.Container{{Name: v1alpha1.ContainerDesktop, Ports: []corev1.ContainerPort{{ContainerPort: int32(addr.Port)}}}}
	p.Status.PodIP = addr.IP.String()
	return p
}

// woken is how many wakes were written.
func (g *gateway) woken() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, a := range g.writes {
		if !a.Wake.IsZero() {
			n++
		}
	}
	return n
}

func (g *gateway) expectNothingWritten() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	assert.Empty(g.t, g.writes, "written, want nothing")
}

// value reads a gauge or a counter.
func value(c prometheus.Collector) func() float64 {
	return func() float64 { return testutil.ToFloat64(c) }
}

func (g *gateway) expectRefusals(why *closing.Refusal, want float64) {
	g.t.Helper()
	eventually.Equal(g.t, why.Label+" is counted", want, value(g.Metrics.Refusals.WithLabelValues(why.Label)))
}

func (g *gateway) sign(s *v1alpha1.VDISession) string {
	g.t.Helper()
	raw, err := g.signer.Sign(token.AudienceSession, token.For(s), time.Now(), time.Hour)
	require.NoError(g.t, err)
	return raw
}

// Header fields of the kinds of visitor there are.
var (
	navigating = http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {"text/html"}}
	framing    = http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Site": {"same-origin"}, "Accept": {"text/html"}}
	fetching   = http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Site": {"same-origin"}}
	fromPage   = http.Header{"Origin": {"http://" + host}}
	noBrowser  = http.Header{}
)

// as adds the owner's token to a kind of visitor.
func (g *gateway) as(kind http.Header) http.Header {
	h := kind.Clone()
	h.Set("Cookie", "vdi-session="+g.sign(g.owned))
	return h
}

type answer struct {
	code   int
	header http.Header
	body   string
	// closes says that the connection ends with it.
	closes bool
}

func (g *gateway) do(method, at string, h http.Header) answer {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.front.URL+at, nil)
	require.NoError(g.t, err)
	req.Host, req.Header = g.host, h.Clone()
	if other := h.Get("Test-Host"); other != "" {
		req.Host = other
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	require.NoError(g.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(g.t, err)
	return answer{resp.StatusCode, resp.Header, string(body), resp.Close}
}

func (g *gateway) dial(at string, h http.Header) *websocket.Conn {
	g.t.Helper()
	h = h.Clone()
	h.Set("Host", g.host)
	ws, _, err := websocket.DefaultDialer.DialContext(g.t.Context(), "ws"+strings.TrimPrefix(g.front.URL, "http")+at, h)
	require.NoError(g.t, err, "the upgrade was refused")
	g.t.Cleanup(func() { _ = ws.Close() })
	return ws
}

func expectClosed(t *testing.T, ws *websocket.Conn, code int, text string) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(enough))
	for {
		_, _, err := ws.ReadMessage()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		require.ErrorAs(t, err, &closed)
		require.Equal(t, code, closed.Code)
		assert.Contains(t, closed.Text, text, "ended")
		return
	}
}

// newDesktop is a web desktop: a page at /, and a WebSocket that says what it
// hears, until it hears "end".
func newDesktop(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if !websocket.IsWebSocketUpgrade(r) {
			w.Header().Set("X-Frame-Options", "DENY")
			_, _ = io.WriteString(w, "desktop "+r.Method+" "+r.URL.Path+" cookies:"+r.Header.Get("Cookie"))
			return
		}
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return // the test may have ended
		}
		defer func() { _ = ws.Close() }()
		for {
			kind, m, err := ws.ReadMessage()
			if err != nil || string(m) == "end" || ws.WriteMessage(kind, append([]byte("echo "), m...)) != nil {
				return
			}
		}
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func expectEcho(t *testing.T, ws *websocket.Conn, want string) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(enough))
	_, m, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "echo "+want, string(m), "heard %q; want the echo of %q", m, want)
}

func say(t *testing.T, ws *websocket.Conn, text string) {
	t.Helper()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(text)))
}
