//go:build browser

// Package browser tries the page around a desktop in a real Chromium.
package browser

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
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator"
	"github.com/org/vdi-operator/activator/auth"
	cookies "github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/activator/clientcache"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/record"
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

const (
	enough = 10 * time.Second
	host   = "alice--desktops.vdi.localhost"
)

// visitKeys sign the cookies of all gateways, as of all replicas of an installation.
var visitKeys = keyset.New().Bytes()

var alice = types.NamespacedName{Namespace: "desktops", Name: "alice"}

// gateway is a whole activator with one session, asleep, whose desktop is the
// test's own.
type gateway struct {
	*activator.Server
	t      testing.TB
	front  *httptest.Server
	signer *token.Signer
	// owned is the session as tokens are signed for it.
	owned *v1alpha1.VDISession
	// host is where visitors find the session.
	host string

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
	log := slog.New(slog.NewTextHandler(lockedWriter{&g.mu, &g.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	m := metrics.NewActivator(prometheus.NewRegistry())
	clients := clientcache.New(cfg.Limits.ClientCacheBytes, auth.NewFilter(cfg.Passed), m)
	dir := directory.New(cfg.URL.SessionAddress, clients.Forget)
	tracker := wake.NewTracker(ctx, dir, g, m, log)
	proxies, err := listener.ParseProxies(cfg.TrustedProxies)
	require.NoError(t, err)
	visits, err := cookies.NewKeys(visitKeys)
	require.NoError(t, err)
	g.Server = activator.New(activator.Options{Config: cfg, Proxies: proxies, Directory: dir, Tracker: tracker, Viewers: g, Clients: clients, Guard: auth.NewGuard(auth.Options{Verifier: g.signer.Verifier(), Visits: visits, URL: cfg.URL, Auth: cfg.Auth}),
		Verifier: g.signer.Verifier(), TURN: &turnconfig.Server{Config: cfg.TURN, Secret: func() []byte { return []byte("shared") }, Log: log}, Metrics: m, Log: log})
	g.session = &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name, UID: "1"}}
	g.session.Spec.User = "alice@example.com"
	g.session.Status.ObservedGeneration, g.session.Status.Phase = 1, v1alpha1.PhaseAsleep
	g.owned = g.session.DeepCopy()
	g.host = cfg.URL.SessionHost(alice.Namespace, alice.Name)
	dir.SetSession(g.session)
	// As cmd/activator serves it.
	g.front = httptest.NewUnstartedServer(nil)
	entrance := listener.New(cfg.Limits, proxies, m, log)
	g.front.Config = entrance.Server(g.Server)
	g.front.Listener = entrance.Listener(g.front.Listener.(*net.TCPListener))
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

func (g *gateway) expectRefusals(why *closing.Refusal, want float64) {
	g.t.Helper()
	eventually.Equal(g.t, why.Label+" is counted", want, func() float64 {
		return testutil.ToFloat64(g.Metrics.Refusals.WithLabelValues(why.Label))
	})
}

func (g *gateway) sign(aud token.Audience, s *v1alpha1.VDISession, ago time.Duration) string {
	g.t.Helper()
	raw, err := g.signer.Sign(aud, token.For(s), time.Now().Add(-ago), time.Hour)
	require.NoError(g.t, err)
	return raw
}

var fetching = http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Site": {"same-origin"}}

// as adds the owner's token to a kind of visitor.
func (g *gateway) as(kind http.Header) http.Header {
	h := kind.Clone()
	h.Set("Cookie", "vdi-session="+g.sign(token.AudienceSession, g.owned, 0))
	return h
}

// WriteViewer is the API server: what is recorded comes back by the watch.
func (g *gateway) WriteViewer(_ context.Context, key types.NamespacedName, v *v1alpha1.SessionViewer, seen string) error {
	if key != alice {
		return errors.New("another session's viewer")
	}
	if g.api != nil {
		return g.api.WriteViewer(context.Background(), key, v, seen)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.refusing != nil:
		return g.refusing
	case seen != "" && seen != g.session.ResourceVersion:
		return record.ErrChanged
	}
	g.viewed = append(g.viewed, v)
	g.changeLocked(func(s *v1alpha1.VDISession) {
		if s.Status.Activity == nil {
			s.Status.Activity = &v1alpha1.SessionActivity{}
		}
		s.Status.Activity.Viewer = v
	})
	return nil
}

// another is a second replica of the activator.
func (g *gateway) another() *gateway {
	g.t.Helper()
	r := newGatewayAs(g.t, g.signer, g.how...)
	g.mu.Lock()
	defer g.mu.Unlock()
	r.api, g.replicas = g, append(g.replicas, r)
	r.Directory.SetSession(g.session)
	return r
}

func (g *gateway) speaks(p v1alpha1.StreamingProtocol) {
	g.change(func(s *v1alpha1.VDISession) { s.Status.Streaming = &v1alpha1.StreamingSpec{Protocol: p} })
}

// records is how often a viewer was recorded.
func (g *gateway) records() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.viewed)
}

// pod is the session's, before it has an address.
func (g *gateway) pod(change func(*corev1.Pod)) {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: "p", UID: "p", Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}}
	p.Spec.Containers = []corev1.Container{{Name: v1alpha1.ContainerDesktop, Image: g.image, Ports: []corev1.ContainerPort{{ContainerPort: 1}}}}
	change(p)
	g.Directory.SetPod(p)
}

// open opens a page's stream and returns what ends it.
func (g *gateway) open() (end func()) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.front.URL+page.EventsPath+"?at=/", nil)
	require.NoError(g.t, err)
	req.Host, req.Header = host, g.as(fetching)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(g.t, err)
	require.Equal(g.t, http.StatusOK, resp.StatusCode, "the stream answered %s", resp.Status)
	return func() { cancel(); _ = resp.Body.Close() }
}
