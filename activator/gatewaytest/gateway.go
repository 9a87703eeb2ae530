// Package gatewaytest runs a whole activator in a test, as cmd/activator does, with one session whose desktop is
// the test's own.
package gatewaytest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/activator"
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
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

// Options are what a gateway is made of; Config is required.
type Options struct {
	Config config.Config
	// Signer and Visits sign its tokens and its cookies. Otherwise it has keys of its own.
	Signer *token.Signer
	Visits *visit.Keys
	// PortalAt is where the portal listens, if there is one.
	PortalAt string
	// Unwatched leaves the session as it is, whatever the activator writes of its activity.
	Unwatched bool
}

// Gateway is an activator with a session, asleep, and the API server of both.
type Gateway struct {
	*activator.Server
	T testing.TB
	// Front is where visitors come, Entrance is what admits them.
	Front    *httptest.Server
	Entrance *listener.Admission
	Signer   *token.Signer
	Visits   *visit.Keys
	// Owned is the session as tokens are signed for it, Host where visitors find it.
	Owned *v1alpha1.VDISession
	Host  string
	// Image is what the next pod runs, Latency how long the API server takes to write.
	Image   string
	Latency time.Duration
	// Logged is the activator's log.
	Logged Buffer

	options Options

	mu      sync.Mutex
	session *v1alpha1.VDISession
	// pod is nil where the session has none.
	pod    *corev1.Pod
	writes []record.Activity
	// version counts the changes of the session, recorded its viewers; refusing is what the API server answers to who
	// records one.
	version, recorded int
	refusing          error
	// api is the replica with the API server, where it is another one; replicas are the others.
	api      *Gateway
	replicas []*Gateway
}

// Config is an installation's at vdi.localhost, changed so.
func Config(changes ...func(*config.Config)) config.Config {
	c := config.Default()
	c.URL = config.URL{Scheme: "http", Routing: config.RoutingHost, Domain: "vdi.localhost"}
	c.TURN.URLs = []string{"stun:turn.example:3478", "turn:turn.example:3478"}
	for _, change := range changes {
		change(&c)
	}
	return c
}

// WithPortal is an installation at which people sign in.
func WithPortal(c *config.Config) {
	c.Portal = &config.Portal{Host: "portal." + c.URL.Domain, Service: "vdi-portal", Namespace: "vdi-system", Port: 8080, InternalPort: 8081}
	oidc := config.DefaultOIDC()
	oidc.Issuer, oidc.ClientID = "https://login.example.com", "vdi"
	c.Auth.OIDC = &oidc
}

// ByPath is an installation whose sessions are folders of one host.
func ByPath(c *config.Config) { c.URL.Routing = config.RoutingPath }

// New starts a gateway, until the test ends.
func New(t testing.TB, o Options) *Gateway {
	t.Helper()
	if o.Signer == nil {
		o.Signer = tokentest.Signer(t)
	}
	if o.Visits == nil {
		var err error
		o.Visits, err = visit.NewKeys(keyset.New().Bytes())
		require.NoError(t, err)
	}
	cfg, verifier := o.Config, o.Signer.Verifier()
	g := &Gateway{T: t, Signer: o.Signer, Visits: o.Visits, Image: "desktop@sha256:aaaa", options: o,
		Owned: Session(Alice.Name, "1"), session: Session(Alice.Name, "1"), Host: cfg.URL.SessionHost(Alice.Namespace, Alice.Name)}
	proxies, err := listener.ParseProxies(cfg.TrustedProxies)
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(&g.Logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	m := metrics.NewActivator(prometheus.NewRegistry(), closing.Labels()...)
	clients := clientcache.New(cfg.Limits.ClientCacheBytes, auth.NewFilter(cfg.Passed, auth.ForwardedFields(cfg.Auth.Forwarded)...), m)
	dir := directory.New(cfg.URL.SessionAddress, clients.Forget)
	tracker, signedIn := wake.NewTracker(ctx, dir, g, m, log), signins.New()
	guard := auth.NewGuard(auth.Options{Verifier: verifier, Visits: o.Visits, URL: cfg.URL, Auth: cfg.Auth, Shares: g, SignIns: signedIn})
	g.Server = activator.New(activator.Options{Config: cfg, Proxies: proxies, Directory: dir, Tracker: tracker, Viewers: g, Clients: clients,
		Guard: guard, SignIns: signedIn, PortalAt: o.PortalAt, RedeemAt: o.PortalAt, Verifier: verifier, Metrics: m, Log: log,
		TURN: &turnconfig.Server{Config: cfg.TURN, Secret: func() []byte { return []byte("shared") }, Log: log}})
	dir.SetSession(g.session)
	g.Front = httptest.NewUnstartedServer(nil)
	g.Entrance = listener.New(cfg.Limits, proxies, m, log)
	g.Front.Config = g.Entrance.Server(g.Server)
	g.Front.Listener = g.Entrance.Listener(g.Front.Listener.(*net.TCPListener))
	g.Front.Start()
	t.Cleanup(func() {
		g.StopHolding()
		ended, end := context.WithCancel(context.Background())
		end()
		g.Drain(ended)
		g.Front.Close()
		cancel()
		tracker.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	return g
}

// Another is another replica of the activator.
func (g *Gateway) Another() *Gateway {
	g.T.Helper()
	r := New(g.T, g.options)
	g.mu.Lock()
	defer g.mu.Unlock()
	r.api, g.replicas = g, append(g.replicas, r)
	r.Directory.SetSession(g.session)
	if g.pod != nil {
		r.Directory.SetPod(g.pod)
	}
	return r
}

// Token is one of the installation's, signed a while ago for an hour.
func (g *Gateway) Token(aud token.Audience, s *v1alpha1.VDISession, ago time.Duration) string {
	g.T.Helper()
	raw, err := g.Signer.Sign(aud, token.For(s), time.Now().Add(-ago), time.Hour)
	require.NoError(g.T, err)
	return raw
}

// As adds the owner's token to what a kind of visitor sends.
func (g *Gateway) As(kind http.Header) http.Header {
	g.T.Helper()
	h := kind.Clone()
	h.Set("Cookie", "vdi-session="+g.Token(token.AudienceSession, g.Owned, 0))
	return h
}

// ExpectRefusals waits until a refusal is counted that often.
func (g *Gateway) ExpectRefusals(why *closing.Refusal, want float64) {
	g.T.Helper()
	eventually.Equal(g.T, why.Label+" is counted", want, func() float64 {
		return testutil.ToFloat64(g.Metrics.Refusals.WithLabelValues(why.Label))
	})
}
