//go:build coturn

package coturn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/coturn"
	"github.com/org/vdi-operator/pkg/eventually"
)

const (
	// patience is how long something may take on a slow machine; none asserts a time.
	patience   = 60 * time.Second
	port       = 3478
	tlsPort    = 5349
	metricPort = 9641
	realm      = "vdi"
	secret     = "the-first-secret-it's"
)

// server is a running one.
type server struct {
	t       *testing.T
	folder  string
	address netip.Addr
	cmd     *exec.Cmd
	log     *lockedBuffer
	ended   chan error
}

// lockedBuffer is written by the program and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts a server with the chart's defaults, as change changes them, and waits
// until it is ready. Only one runs at a time.
func start(t *testing.T, change func(*coturn.Config), flags ...string) *server {
	t.Helper()
	return prepare(t).start(change, flags...)
}

func (s *server) start(change func(*coturn.Config), flags ...string) *server {
	s.t.Helper()
	c := coturn.Config{Port: port, TLSPort: tlsPort, Relay: coturn.PortRange{MinPort: 49160, MaxPort: 49179}, Realm: realm,
		External: coturn.External{Mode: coturn.ExternalNone}, DeniedPeers: denied, SecretOverlap: metav1.Duration{Duration: time.Hour}}
	if change != nil {
		change(&c)
	}
	raw, err := yaml.Marshal(c)
	require.NoError(s.t, err)
	s.replace("config.yaml", raw)
	s.run(flags...)
	eventually.NoError(s.t, "the server is ready", func() error {
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("it ended: %w", err)
		default:
		}
		code, body, err := s.get("/readyz")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	})
	return s
}

// prepare makes a server's folder with a secret and a certificate for "one".
func prepare(t *testing.T) *server {
	t.Helper()
	folder, err := os.MkdirTemp(filepath.Dir(program), "run-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(folder, 0o755))
	s := &server{t: t, folder: folder, address: serverIPv4, log: &lockedBuffer{}, ended: make(chan error, 1)}
	require.NoError(t, os.Mkdir(s.path("run"), 0o700))
	uid, _ := strconv.Atoi(user)
	require.NoError(t, os.Chown(s.path("run"), uid, uid))
	require.NoError(t, os.Mkdir(s.path("tls"), 0o755))
	s.writeSecret(secret + "\n")
	s.writeCertificate("one")
	return s
}

// in is the same server for a part of the test.
func (s *server) in(t *testing.T) *server {
	part := *s
	part.t = t
	return &part
}

func (s *server) path(name string) string { return filepath.Join(s.folder, name) }

func (s *server) run(flags ...string) {
	s.t.Helper()
	args := append([]string{"netns", "exec", network, "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs", program,
		"--config", s.path("config.yaml"), "--secret", s.path("secret"), "--certificate", s.path("tls"), "--folder", s.path("run"),
		"--address", s.address.String(), "--metrics-bind-address", netip.AddrPortFrom(s.address, metricPort).String(), "--log-level", "debug"}, flags...)
	s.cmd = exec.Command("ip", args...)
	s.cmd.Stderr = s.log
	require.NoError(s.t, s.cmd.Start())
	go func() { s.ended <- s.cmd.Wait() }()
	s.t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		// turnserver is no longer anybody's: end the one that was started here.
		if raw, err := os.ReadFile(s.path("run/turnserver.pid")); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil && ours(pid, s.folder) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		<-s.ended
		if s.t.Failed() {
			s.t.Logf("the server's log:\n%s", s.log)
		}
	})
}

// ours reports whether the process was started with a file of folder.
func ours(pid int, folder string) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(raw, []byte(folder))
}

// end waits for the program's end and returns its error.
func (s *server) end() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		s.ended <- err
		return err
	case <-time.After(patience):
		s.t.Fatal("the server did not end")
		return nil
	}
}

func (s *server) signal(sig os.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(sig))
}

func (s *server) get(path string) (int, string, error) {
	resp, err := http.Get("http://" + netip.AddrPortFrom(s.address, metricPort).String() + path)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// metric is the value of one series.
func (s *server) metric(series string) (float64, error) {
	_, body, err := s.get("/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, errors.New("no series " + series)
}

// expectMetric waits until a series has at least the value: the log that it is made of
// comes a moment after the answer.
func (s *server) expectMetric(series string, least float64) {
	s.t.Helper()
	eventually.NoError(s.t, series, func() error {
		got, err := s.metric(series)
		if err == nil && got < least {
			err = fmt.Errorf("it is %v, want %v or more", got, least)
		}
		return err
	})
}

func (s *server) writeSecret(text string) {
	s.t.Helper()
	s.replace("secret", []byte(text))
}

// replace swaps a file at once, as kubelet swaps those of a volume.
func (s *server) replace(name string, content []byte) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(s.path(name)+".new", content, 0o644))
	require.NoError(s.t, os.Rename(s.path(name)+".new", s.path(name)))
}

// writeCertificate makes a certificate with this name, in the form of cert-manager's.
func (s *server) writeCertificate(name string) {
	s.t.Helper()
	key, encoded := newKey(s.t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(s.t, err)
	s.replace("tls/tls.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	s.replace("tls/tls.key", encoded)
}

func newKey(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
