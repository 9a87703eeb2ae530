package attacks

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha1" //nolint:gosec // RFC 6455 requires it
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

const (
	// enough is how long anything may take on a slow machine.
	enough = 20 * time.Second
	domain = "vdi.example.com"
	// victim is alice's host, other that of bob, whose visitors attack alice.
	victim = "alice--desktops." + domain
	other  = "bob--desktops." + domain
	// podAddress is where alice's pod claims to be when it speaks for itself (RFC 5737).
	podAddress = "198.51.100.7"
)

// house is an activator as cmd/activator serves it, on loopback: behind an ingress that ends
// TLS, with the sessions of alice, who is attacked, and of bob.
type house struct {
	testing.TB
	*activator.Server
	// key signs what signer signs, and what it would not.
	key    *ecdsa.PrivateKey
	signer *token.Signer
	// public and internal are the addresses of the visitors' port and of the pods'.
	public, internal string
	alice, bob       *v1alpha1.VDISession
	desktop          *desktop
	// keys sign cookies, as visits does; signIns are who has signed in; portal is there where the
	// configuration has one, at portalAt.
	keys     keyset.Set
	visits   *visit.Keys
	signIns  *signins.Store
	portal   *portal
	portalAt string

	mu     sync.Mutex
	writes []record.Activity
	log    bytes.Buffer
	// told are the lines of the audit.
	told lines
}

// lines are written while they are read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// take are the lines since it was asked last.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return l.buf.String()
}

// build builds a house; alice's desktop sleeps until awaken.
func build(t testing.TB, how ...func(*config.Config)) *house {
	t.Helper()
	pem, err := tokentest.NewKey()
	require.NoError(t, err)
	h := &house{TB: t}
	h.key, err = jwt.ParseECPrivateKeyFromPEM(pem)
	require.NoError(t, err)
	h.signer, err = token.NewSigner(pem)
	require.NoError(t, err)
	cfg := config.Default()
	cfg.URL = config.URL{Scheme: "https", Routing: config.RoutingHost, Domain: domain}
	cfg.TURN.URLs = []string{"turn:turn.example:3478"}
	// Each kind tries more often than one address may; the limits have tries of their own.
	many := config.Rate{PerSecond: 1e6, Burst: 1e6}
	cfg.Limits.RefusalsPerAddress, cfg.Limits.UpgradesPerAddress, cfg.Limits.UpgradesPerUser = many, many, many
	for _, change := range how {
		change(&cfg)
	}
	if cfg.Portal != nil {
		h.portal = newPortal(t)
		h.portalAt = h.portal.URL
	}
	h.keys = keyset.New()
	log := slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	m := metrics.NewActivator(prometheus.NewRegistry(), closing.Labels()...)
	clients := clientcache.New(cfg.Limits.ClientCacheBytes, auth.NewFilter(cfg.Passed, auth.ForwardedFields(cfg.Auth.Forwarded)...), m)
	dir := directory.New(cfg.URL.SessionAddress, clients.Forget)
	tracker := wake.NewTracker(ctx, dir, h, m, log)
	h.visits, err = visit.NewKeys(h.keys.Bytes())
	require.NoError(t, err)
	h.signIns = signins.New()
	guard := auth.NewGuard(auth.Options{Verifier: h.signer.Verifier(), Visits: h.visits, URL: cfg.URL, Auth: cfg.Auth, Shares: h, SignIns: h.signIns})
	proxies, err := listener.ParseProxies(cfg.TrustedProxies)
	require.NoError(t, err)
	h.Server = activator.New(activator.Options{Config: cfg, Proxies: proxies, Directory: dir, Tracker: tracker, Viewers: h, Clients: clients,
		Guard: guard, SignIns: h.signIns, PortalAt: h.portalAt, RedeemAt: h.portalAt, Verifier: h.signer.Verifier(),
		Metrics: m, Log: log, Audit: audit.New(&h.told, true),
		TURN: &turnconfig.Server{Config: cfg.TURN, Secret: func() []byte { return []byte("shared") }, Log: log}})
	h.alice, h.bob = session("alice", "1"), session("bob", "2")
	dir.SetSession(h.alice)
	dir.SetSession(h.bob)

	entrance := listener.New(cfg.Limits, proxies, m, log)
	public := entrance.Server(h.Server)
	h.public = serve(t, public, entrance)
	inCluster := listener.New(cfg.Limits, nil, m, log)
	internal := inCluster.Server(fromElsewhere(h.Internal()))
	internal.MaxHeaderBytes = 16 << 10
	h.internal = serve(t, internal, inCluster)
	t.Cleanup(func() {
		h.StopHolding()
		ended, end := context.WithCancel(context.Background())
		end()
		h.Drain(ended)
		soon, over := context.WithTimeout(context.Background(), enough)
		defer over()
		// Unlike Close it waits for connections that net/http is closing.
		_, _ = public.Shutdown(soon), internal.Shutdown(soon)
		_, _ = public.Close(), internal.Close()
		cancel()
		tracker.Wait()
	})
	return h
}

func serve(t testing.TB, srv *http.Server, a *listener.Admission) (addr string) {
	t.Helper()
	l := listen(t)
	go func() { _ = srv.Serve(a.Listener(l)) }()
	return l.Addr().String()
}

func listen(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l.(*net.TCPListener)
}

// fromElsewhere lets a request to the pods' port come from the address that it names: on
// loopback none can come from a pod's.
func fromElsewhere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from := r.Header.Get("Test-From"); from != "" {
			r.RemoteAddr = net.JoinHostPort(from, "40000")
		}
		next.ServeHTTP(w, r)
	})
}

func session(name string, uid types.UID) *v1alpha1.VDISession {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: name, UID: uid}}
	s.Spec.User = name + "@example.com"
	s.Status.ObservedGeneration, s.Status.Phase = 1, v1alpha1.PhaseAsleep
	return s
}

// Write implements io.Writer for the log.
func (h *house) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(b)
}

// WriteActivity implements wake.Writer.
func (h *house) WriteActivity(_ context.Context, _ types.NamespacedName, a record.Activity) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes = append(h.writes, a)
	return nil
}

// WriteViewer implements viewer.Writer.
func (h *house) WriteViewer(context.Context, types.NamespacedName, *v1alpha1.SessionViewer, string) error {
	return nil
}

// UseShare implements auth.Shares: the attackers' links were used up by one use.
func (h *house) UseShare(_ context.Context, s *v1alpha1.VDISession, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, share := range s.Spec.Shares {
		if share.Name == name && share.Link.MaxUses > 0 {
			return record.ErrUsedUp
		}
	}
	return nil
}

// written is how often a wake, and how often input, was written.
func (h *house) written() (wakes, inputs int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.writes {
		if !a.Wake.IsZero() {
			wakes++
		}
		if !a.Input.IsZero() {
			inputs++
		}
	}
	return wakes, inputs
}

// refusals are all that were counted, by their label.
func (h *house) refusals() map[string]int {
	n := map[string]int{}
	for _, label := range closing.Labels() {
		if v := testutil.ToFloat64(h.Metrics.Refusals.WithLabelValues(label)); v > 0 {
			n[label] = int(v)
		}
	}
	return n
}

// awaken is what operator and kubelet record when alice's desktop comes.
func (h *house) awaken() {
	h.Helper()
	h.desktop = newDesktop(h)
	s := h.alice.DeepCopy()
	s.ResourceVersion = "2"
	s.Status.StartTime, s.Status.Phase = &metav1.MicroTime{Time: time.Now()}, v1alpha1.PhaseRunning
	h.Directory.SetSession(s)
	h.Directory.SetPod(h.pod(h.desktop.addr))
}

func (h *house) pod(at *net.TCPAddr) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: h.alice.Namespace, Name: "p", UID: "p",
		Labels: map[string]string{v1alpha1.LabelSession: h.alice.Name}}}
	port := corev1.ContainerPort{ContainerPort: int32(at.Port)} //nolint:gosec // a port
	p.Spec.Containers = []corev1.Container{{Name: v1alpha1.ContainerDesktop, Ports: []corev1.ContainerPort{port}}}
	p.Status.PodIP = at.IP.String()
	return p
}

// token is a token of this installation's, signed a while ago for an hour.
func (h *house) token(aud token.Audience, s *v1alpha1.VDISession, ago time.Duration) string {
	h.Helper()
	raw, err := h.signer.Sign(aud, token.For(s), time.Now().Add(-ago), time.Hour)
	require.NoError(h, err)
	return raw
}

// cookie is the field by which alice herself comes in.
func (h *house) cookie() string {
	name := "__Host-vdi-session"
	switch {
	case h.Config.URL.Scheme == "http":
		name = "vdi-session"
	case h.Config.URL.ByPath():
		name = "__Secure-vdi-session"
	}
	if !h.Config.Auth.Links {
		h.signsIn("signin-home", h.alice.Spec.User, nil)
		return "Cookie: " + name + "=" + h.visit(visitOf(h.alice, visit.Grant{SignIn: "signin-home"}), 0)
	}
	return "Cookie: " + name + "=" + h.token(token.AudienceSession, h.alice, 0)
}

// desktop is alice's: a program on a port, which keeps what it hears.
type desktop struct {
	addr *net.TCPAddr
	// open are its connections.
	open atomic.Int32

	mu sync.Mutex
	// heard is every byte, asked every request's first line.
	heard bytes.Buffer
	asked []string
	// says answers instead of the desktop's own answer.
	says func(net.Conn, *http.Request)
}

func newDesktop(t testing.TB) *desktop {
	l := listen(t)
	d := &desktop{addr: l.Addr().(*net.TCPAddr)}
	var serving sync.WaitGroup
	over := make(chan struct{})
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			d.open.Add(1)
			serving.Go(func() {
				defer d.open.Add(-1)
				defer func() { _ = conn.Close() }()
				served := make(chan struct{})
				go func() { defer close(served); d.serve(conn) }()
				select {
				case <-served:
				case <-over:
					_ = conn.Close()
					<-served
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		close(over)
		serving.Wait()
	})
	return d
}

// tapped is a connection of which the desktop keeps what it reads.
type tapped struct {
	net.Conn
	*desktop
}

func (c tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard.Write(b[:n])
	return n, err
}

// serve answers all requests of a connection: a second one was smuggled.
func (d *desktop) serve(conn net.Conn) {
	in := bufio.NewReader(tapped{conn, d})
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		d.mu.Lock()
		d.asked = append(d.asked, r.Method+" "+r.RequestURI)
		says := d.says
		d.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil:
			return
		case says != nil:
			says(conn, r)
			return
		case r.Header.Get("Upgrade") != "":
			if _, err := io.WriteString(conn, upgraded(r)); err == nil {
				echo(conn, in)
			}
			return
		}
		_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "+
			strconv.Itoa(len("desktop ")+len(body))+"\r\n\r\ndesktop "+string(body))
		if err != nil {
			return
		}
	}
}

// upgraded is the right answer to an upgrade.
func upgraded(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
}

// answers has the desktop answer so from now on; nil is its own way.
func (d *desktop) answers(says func(net.Conn, *http.Request)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.says = says
}

// settle waits until the desktop has heard all that was sent to it: connections are accepted in
// their order.
func (d *desktop) settle(t *testing.T) {
	t.Helper()
	c, err := net.DialTCP("tcp", nil, d.addr)
	require.NoError(t, err)
	_, err = io.WriteString(c, get(sentinelPath, victim))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
	_ = c.Close()
	eventually.Equal(t, "its connections have ended", 0, func() int { return int(d.open.Load()) })
}

// seen is how many requests came but those for the sentinel, and all that was heard.
func (d *desktop) seen() (requests int, heard string) {
	if d == nil {
		return 0, ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, line := range d.asked {
		if !strings.HasSuffix(line, sentinelPath) {
			requests++
		}
	}
	return requests, d.heard.String()
}

func (d *desktop) forget() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard.Reset()
	d.asked = nil
}
