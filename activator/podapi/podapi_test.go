package podapi

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/turnconfig"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

var alice = types.NamespacedName{Namespace: "desktops", Name: "alice"}

// podAddress is where the pod of these tests is (RFC 5737).
const podAddress = "198.51.100.7"

// fixture is an API that knows one session, alice's.
type fixture struct {
	*API
	t       *testing.T
	signer  *token.Signer
	session *v1alpha1.VDISession
	writes  []record.Activity
	log     bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, signer: tokentest.Signer(t)}
	cfg, log := config.Default(), slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.TURN.URLs = []string{"stun:turn.example:3478", "turn:turn.example:3478"}
	m, dir := metrics.NewActivator(prometheus.NewRegistry()), directory.New(cfg.URL.SessionAddress, nil)
	f.API = &API{Directory: dir, Tracker: wake.NewTracker(t.Context(), dir, f, m, log), Verifier: f.signer.Verifier(),
		TURN:    &turnconfig.Server{Config: cfg.TURN, Secret: func() []byte { return []byte("shared") }, Log: log},
		Metrics: m, Log: log, BodyTimeout: cfg.Limits.HeaderTimeout.Duration, Own: OwnAddresses(log)}
	f.session = &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name, UID: "1"}}
	f.session.Spec.User = "alice@example.com"
	f.session.Status.ObservedGeneration = 1
	dir.SetSession(f.session)
	return f
}

func (f *fixture) WriteActivity(_ context.Context, _ types.NamespacedName, a record.Activity) error {
	f.writes = append(f.writes, a)
	return nil
}

func (f *fixture) change(how func(*v1alpha1.VDISession)) {
	f.session = f.session.DeepCopy()
	how(f.session)
	f.Directory.SetSession(f.session)
}

func (f *fixture) sign(aud token.Audience, s *v1alpha1.VDISession) string {
	f.t.Helper()
	raw, err := f.signer.Sign(aud, token.For(s), time.Now(), time.Hour)
	require.NoError(f.t, err)
	return raw
}

func (f *fixture) expectNothingWritten() {
	f.t.Helper()
	assert.Empty(f.t, f.writes, "written, want nothing")
}

// runs is a pod of the session that the API shows without an address.
func (f *fixture) runs(name string, change func(*corev1.Pod)) {
	f.change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime, s.Status.Phase = &metav1.MicroTime{Time: time.Now()}, v1alpha1.PhaseCreating
	})
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: name, UID: "p", Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}}
	p.Spec.Containers = []corev1.Container{{Name: v1alpha1.ContainerDesktop, Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}}
	if change != nil {
		change(p)
	}
	f.Directory.SetPod(p)
}

// report posts to the internal port as if it came from an address.
func (f *fixture) report(path, from, bearer string, body any) *httptest.ResponseRecorder {
	f.t.Helper()
	raw, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		require.NoError(f.t, err)
		raw = string(b)
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(raw))
	r.RemoteAddr = net.JoinHostPort(from, "40000")
	r.Header.Set("Authorization", "Bearer "+bearer)
	w := httptest.NewRecorder()
	f.Handler().ServeHTTP(w, r)
	return w
}

func (f *fixture) refusals(why *closing.Refusal) float64 {
	return testutil.ToFloat64(f.Metrics.Refusals.WithLabelValues(why.Label))
}

func TestADesktopGetsATURNCredentialByItsPodsToken(t *testing.T) {
	f := newFixture(t)
	r := httptest.NewRequest(http.MethodGet, TURNPath+"?service=turn", nil)
	r.Header.Set("X-Auth-User", f.sign(token.AudienceTURN, f.session))
	w := httptest.NewRecorder()
	f.Handler().ServeHTTP(w, r)
	require.Equal(t, 200, w.Code, "%s", w.Body)
	assert.Contains(t, w.Body.String(), ":desktops/alice", "want a credential that is bound to the session")
}
