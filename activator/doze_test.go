package activator_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeapi/nodeapitest"
	"github.com/org/vdi-operator/pkg/token"
)

// night is a gateway whose desktop dozes, and the program on its node. dialled says that the
// desktop was connected to while it was frozen.
type night struct {
	*gateway
	program *nodeapitest.Program
	desktop *httptest.Server
	issued  time.Time

	mu      sync.Mutex
	dialled bool
}

func newNight(t *testing.T, how ...func(*config.Config)) *night {
	t.Helper()
	g := newGateway(t, how...)
	n := &night{gateway: g, program: nodeapitest.Start(t, g.Signer.Verifier(), "node-1"), issued: time.Now(),
		desktop: httptest.NewUnstartedServer(newDesktop(t).Config.Handler)}
	n.desktop.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew && n.program.Frozen("p") {
			n.mu.Lock()
			n.dialled = true
			n.mu.Unlock()
		}
	}
	n.desktop.Start()
	t.Cleanup(n.desktop.Close)
	g.Wakes(n.desktop)
	n.freezes()
	return n
}

// freezes is what the operator records and has done.
func (n *night) freezes() {
	n.T.Helper()
	n.issued = n.issued.Add(10 * time.Millisecond)
	order := token.Order{Action: token.ActionFreeze, Pod: alice, PodUID: "p", Session: n.Owned.UID, Node: "node-1", Issued: n.issued}
	freeze, err := n.Signer.SignOrder(order, token.OrderLife)
	require.NoError(n.T, err)
	order.Action, order.Issued = token.ActionThaw, n.issued.Add(time.Millisecond)
	thaw, err := n.Signer.SignOrder(order, time.Hour)
	require.NoError(n.T, err)
	at := metav1.NewMicroTime(time.Now())
	n.Change(func(s *v1alpha1.VDISession) {
		ready := metav1.NewMicroTime(s.Status.StartTime.Time)
		s.Status.ReadyTime, s.Status.Phase = &ready, v1alpha1.PhaseDozing
		s.Status.Lifecycle = &v1alpha1.Lifecycle{DozeAfter: v1alpha1.NewDuration(time.Minute)}
		s.Status.Doze = &v1alpha1.SessionDoze{Since: at, FrozenAt: &at, Pod: alice.Name, PodUID: "p", Node: "node-1", Address: n.program.Address.String(), Thaw: thaw}
	})
	n.program.Freeze(n.T, freeze)
}

func (n *night) expectNotDialledWhileFrozen() {
	n.T.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	assert.False(n.T, n.dialled, "a frozen desktop was connected to")
}

func TestWhoComesBackSeesTheDesktopAndNotAPageThatLoads(t *testing.T) {
	n := newNight(t)
	got := n.do(http.MethodGet, "/", n.As(navigating))
	require.Equal(t, http.StatusOK, got.code, got.body)
	require.Contains(t, got.body, "Opening your desktop")
	assert.Equal(t, "freeze thaw", n.program.Obeyed())
	eventually.Equal(t, "the operator is told", 1, n.Woken)
	assert.EqualValues(t, 1, testutil.ToFloat64(n.Metrics.Wakes.WithLabelValues(metrics.WokeFromDoze)))
	assert.EqualValues(t, 0, testutil.ToFloat64(n.Metrics.Wakes.WithLabelValues(metrics.WokeFromZero)))
	assert.Zero(t, testutil.CollectAndCount(n.Metrics.ColdStart)-len(metrics.Stages), "a thaw is no cold start")
	got = n.do(http.MethodGet, "/", n.As(framing))
	assert.Equal(t, "desktop GET / cookies:", got.body)
	assert.Equal(t, "freeze thaw", n.program.Obeyed(), "once is enough, though the operator has not answered yet")
	n.expectNotDialledWhileFrozen()
}

func TestVisitorsOfADozingDesktopShareOneOrder(t *testing.T) {
	n := newNight(t, func(c *config.Config) { c.Limits.ThawTimeout.Duration = time.Minute })
	const requests = 12 // as a session may hold
	come := make(chan struct{})
	n.program.Before(func(http.ResponseWriter, token.Order) bool {
		<-come
		return false
	})
	ws := n.dial("/desk", n.As(fromPage))
	var all sync.WaitGroup
	for range requests {
		all.Go(func() { assert.Equal(t, http.StatusOK, n.do(http.MethodGet, "/x", n.As(fetching)).code) })
	}
	eventually.Equal(t, "all wait", requests, func() float64 { return testutil.ToFloat64(n.Metrics.LiveRequests) })
	close(come)
	say(t, ws, "first")
	expectEcho(t, ws, "first")
	all.Wait()
	assert.Equal(t, "freeze thaw", n.program.Obeyed())
	n.expectNotDialledWhileFrozen()
}

func TestADesktopThatIsFrozenAgainIsThawedAgain(t *testing.T) {
	n := newNight(t)
	require.Equal(t, http.StatusOK, n.do(http.MethodGet, "/x", n.As(fetching)).code)
	n.freezes()
	require.Equal(t, http.StatusOK, n.do(http.MethodGet, "/x", n.As(fetching)).code)
	assert.Equal(t, "freeze thaw freeze thaw", n.program.Obeyed())
}

func TestWhereTheProgramDoesNotThawTheVisitorWaitsAndTheOperatorIsTold(t *testing.T) {
	n := newNight(t)
	n.program.Before(func(w http.ResponseWriter, _ token.Order) bool {
		http.Error(w, "no freezer", http.StatusServiceUnavailable)
		return true
	})
	ws := n.dial("/desk", n.As(fromPage))
	say(t, ws, "first")
	got := n.do(http.MethodGet, "/", n.As(navigating))
	assert.Equal(t, http.StatusAccepted, got.code)
	assert.Contains(t, got.body, "Your desktop comes back")
	assert.Contains(t, got.body, "Your desktop rests; it comes back as you left it.")
	eventually.Equal(t, "the operator is told", 1, n.Woken)
	n.expectNotDialledWhileFrozen()
	// The operator has it thawed.
	n.Change(func(s *v1alpha1.VDISession) { s.Status.Doze = nil })
	expectEcho(t, ws, "first")
}

func TestWhatIsLostInADozeStartsAnewAndThePageSaysSo(t *testing.T) {
	n := newNight(t)
	n.program.Before(func(w http.ResponseWriter, _ token.Order) bool {
		http.Error(w, "gone", http.StatusServiceUnavailable)
		return true
	})
	ws := n.dial("/desk", n.As(fromPage))
	say(t, ws, "first")
	eventually.Equal(t, "the operator is told", 1, n.Woken)
	n.Change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime, s.Status.ReadyTime, s.Status.SleepTime = nil, nil, &s.Status.Doze.Since
		s.Status.SleepReason, s.Status.Phase, s.Status.Doze.Lost = string(lifecycle.ReasonDozeLost), v1alpha1.PhaseAsleep, true
	})
	got := n.do(http.MethodGet, "/", n.As(navigating))
	assert.Contains(t, got.body, "starts anew")
	n.Change(func(s *v1alpha1.VDISession) { s.Status.Doze = nil })
	n.Wakes(newDesktop(t))
	expectEcho(t, ws, "first")
	assert.Equal(t, 1, n.Woken(), "the visit that found it lost wakes it")
}

func TestWhoMayNotWakeThawsNothing(t *testing.T) {
	n := newNight(t)
	_, grant := n.shares(v1alpha1.ShareViewer, 0)
	looks := func(kind http.Header) http.Header { return n.visiting(kind, "share/guest", grant) }
	got := n.do(http.MethodGet, "/", looks(navigating))
	assert.Contains(t, got.body, "This desktop is asleep", "to who may only look")
	assert.Equal(t, http.StatusServiceUnavailable, n.do(http.MethodGet, "/app.js", looks(fetching)).code)
	assert.Equal(t, http.StatusOK, n.do(http.MethodGet, page.StatusPath, looks(fetching)).code)
	for _, field := range []string{"Sec-Purpose", "Purpose"} {
		for _, kind := range []http.Header{navigating, fetching} {
			assert.Equal(t, http.StatusServiceUnavailable, n.do(http.MethodGet, "/", n.As(with(kind, field, "prefetch"))).code, field)
		}
	}
	n.do(http.MethodGet, "/", navigating)
	n.do(http.MethodGet, "/", with(n.As(fetching), "Origin", "https://evil.example"))
	assert.Equal(t, "freeze", n.program.Obeyed())
	n.expectNothingWritten()
	n.expectNotDialledWhileFrozen()
}

func TestAFrozenDesktopIsNotTakenAtItsAgentsWord(t *testing.T) {
	n := newNight(t)
	pods := httptest.NewServer(n.Internal())
	t.Cleanup(pods.Close)
	raw, err := n.Signer.Sign(token.AudienceAgent, token.For(n.Owned), time.Now(), time.Hour)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, pods.URL+agentapi.ActivityPath, strings.NewReader(`{"pod":"p","idleMilliseconds":0}`))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+raw)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusNoContent, resp.StatusCode)
	n.expectNothingWritten()
	assert.Equal(t, "freeze", n.program.Obeyed())
}
