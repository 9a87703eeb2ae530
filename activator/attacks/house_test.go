package attacks

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha1" //nolint:gosec // RFC 6455 requires it
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/keyset"
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
	*gatewaytest.Gateway
	// key signs what Signer signs, and what it would not.
	key *ecdsa.PrivateKey
	// public and internal are the addresses of the visitors' port and of the pods'.
	public, internal string
	alice, bob       *v1alpha1.VDISession
	desktop          *desktop
	// keys sign cookies, as Visits does; portal is there where the configuration has one.
	keys   keyset.Set
	portal *portal
	// told are the lines of the audit.
	told gatewaytest.Buffer
}

// build builds a house; alice's desktop sleeps until awaken.
func build(t testing.TB, how ...func(*config.Config)) *house {
	t.Helper()
	pem, err := tokentest.NewKey()
	require.NoError(t, err)
	h := &house{TB: t, keys: keyset.New(), bob: gatewaytest.Session("bob", "2")}
	h.key, err = jwt.ParseECPrivateKeyFromPEM(pem)
	require.NoError(t, err)
	o := gatewaytest.Options{Unwatched: true, Config: gatewaytest.Config(append([]func(*config.Config){atExample}, how...)...)}
	o.Signer, err = token.NewSigner(pem)
	require.NoError(t, err)
	o.Visits, err = visit.NewKeys(h.keys.Bytes())
	require.NoError(t, err)
	if o.Config.Portal != nil {
		h.portal = newPortal(t)
		o.PortalAt = h.portal.URL
	}
	h.Gateway = gatewaytest.New(t, o)
	h.alice, h.public, h.Image = h.Owned, h.Front.Listener.Addr().String(), ""
	h.Audit = audit.New(&h.told, true)
	h.Directory.SetSession(h.bob)
	inCluster := listener.New(h.Config.Limits, nil, h.Metrics, h.Gateway.Log)
	internal := inCluster.Server(fromElsewhere(h.Internal()))
	internal.MaxHeaderBytes = 16 << 10
	l := listen(t)
	h.internal = l.Addr().String()
	go func() { _ = internal.Serve(inCluster.Listener(l)) }()
	t.Cleanup(func() {
		soon, over := context.WithTimeout(context.Background(), enough)
		defer over()
		// Unlike Close it waits for connections that net/http is closing.
		_ = internal.Shutdown(soon)
		_ = internal.Close()
	})
	return h
}

// atExample is the installation that is attacked.
func atExample(c *config.Config) {
	c.URL = config.URL{Scheme: "https", Routing: config.RoutingHost, Domain: domain}
	c.TURN.URLs = []string{"turn:turn.example:3478"}
	// Each kind tries more often than one address may; the limits have tries of their own.
	many := config.Rate{PerSecond: 1e6, Burst: 1e6}
	c.Limits.RefusalsPerAddress, c.Limits.UpgradesPerAddress, c.Limits.UpgradesPerUser = many, many, many
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

// written is how often a wake, and how often input, was written.
func (h *house) written() (wakes, inputs int) { return h.Woken(), h.Inputs() }

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

// awaken has alice's desktop come.
func (h *house) awaken() {
	h.Helper()
	h.desktop = newDesktop(h)
	h.Wakes(&httptest.Server{Listener: h.desktop.listener})
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
		h.SignsIn("signin-home", h.alice.Spec.User)
		return "Cookie: " + name + "=" + h.visit(visitOf(h.alice, visit.Grant{SignIn: "signin-home"}), 0)
	}
	return "Cookie: " + name + "=" + h.Token(token.AudienceSession, h.alice, 0)
}

// desktop is alice's: a program on a port, which keeps what it hears.
type desktop struct {
	listener *net.TCPListener
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
	d := &desktop{listener: l}
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
	c, err := net.Dial("tcp", d.listener.Addr().String())
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
