package activator

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/pkg/agent"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/token"
)

// podAddress is where the pod of these tests is (RFC 5737).
const podAddress = "198.51.100.7"

// runs is a pod of the session that the API shows without an address.
func (g *gateway) runs(name string, change func(*corev1.Pod)) {
	g.change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime, s.Status.Phase = &metav1.MicroTime{Time: time.Now()}, v1alpha1.PhaseCreating
	})
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: name, UID: "p", Labels: map[string]string{v1alpha1.LabelSession: alice.Name}}}
	p.Spec.Containers = []corev1.Container{{Name: v1alpha1.ContainerDesktop, Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}}
	if change != nil {
		change(p)
	}
	g.Directory.SetPod(p)
}

// report posts to the internal port as if it came from an address.
func (g *gateway) report(path, from, bearer string, body any) *httptest.ResponseRecorder {
	g.t.Helper()
	raw, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			g.t.Fatal(err)
		}
		raw = string(b)
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(raw))
	r.RemoteAddr = net.JoinHostPort(from, "40000")
	r.Header.Set("Authorization", "Bearer "+bearer)
	w := httptest.NewRecorder()
	g.Internal().ServeHTTP(w, r)
	return w
}

func (g *gateway) refusals(why *closing.Refusal) float64 {
	return testutil.ToFloat64(g.Metrics.Refusals.WithLabelValues(why.Label))
}

func announcement(address string) agentapi.Announcement {
	return agentapi.Announcement{Pod: "p", Address: netip.MustParseAddr(address), Listening: true}
}

func TestAnAnnouncementIsBelievedOfItsOwnPodFromItsOwnAddressOnly(t *testing.T) {
	g := newGateway(t)
	g.runs("p", nil)
	own := ownAddress(t)
	agent := g.sign(token.AudienceAgent, g.owned, 0)
	bob, again := g.owned.DeepCopy(), g.owned.DeepCopy()
	bob.Name, again.UID = "bob", "2"
	for name, tc := range map[string]struct {
		from, bearer string
		body         any
		status       int
		counted      *closing.Refusal
	}{
		"no token":                       {podAddress, "", announcement(podAddress), 403, closing.AgentToken},
		"the desktop's token":            {podAddress, g.sign(token.AudienceTURN, g.owned, 0), announcement(podAddress), 403, closing.AgentToken},
		"a visitor's token":              {podAddress, g.sign(token.AudienceSession, g.owned, 0), announcement(podAddress), 403, closing.AgentToken},
		"an expired token":               {podAddress, g.sign(token.AudienceAgent, g.owned, 2*time.Hour), announcement(podAddress), 403, closing.AgentToken},
		"the token of no session":        {podAddress, g.sign(token.AudienceAgent, bob, 0), announcement(podAddress), 403, closing.AgentToken},
		"an earlier session's token":     {podAddress, g.sign(token.AudienceAgent, again, 0), announcement(podAddress), 403, closing.AgentToken},
		"an address of somebody else":    {podAddress, agent, announcement("198.51.100.8"), 409, closing.AgentAddress},
		"the activator's loopback":       {"127.0.0.1", agent, announcement("127.0.0.1"), 409, closing.AgentAddress},
		"the same, in IPv6's clothes":    {"::ffff:127.0.0.1", agent, announcement("127.0.0.1"), 409, closing.AgentAddress},
		"the cloud's metadata service":   {"169.254.169.254", agent, announcement("169.254.169.254"), 409, closing.AgentAddress},
		"a link-local one with its zone": {"fe80::1%eth0", agent, announcement("fe80::1"), 409, closing.AgentAddress},
		"the activator's own":            {own, agent, announcement(own), 409, closing.AgentAddress},
		"rubbish":                        {podAddress, agent, "rubbish", 400, closing.AgentReport},
		"too much":                       {podAddress, agent, `{"pod":"` + strings.Repeat("p", agentapi.MaxLength) + `"}`, 400, closing.AgentReport},
	} {
		t.Run(name, func(t *testing.T) {
			before := g.refusals(tc.counted)
			w := g.report(agentapi.AnnouncePath, tc.from, tc.bearer, tc.body)
			if w.Code != tc.status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, tc.status)
			}
			if g.refusals(tc.counted) != before+1 {
				t.Errorf("not counted as %s", tc.counted)
			}
			if v, _ := g.Directory.View(alice); v.Pod.Announced || v.Pod.IP != "" {
				t.Errorf("it was believed: %+v", v.Pod)
			}
		})
	}
	g.mu.Lock()
	if strings.Contains(g.log.String(), agent) || strings.Contains(g.log.String(), "eyJ") {
		t.Error("a token is in the log")
	}
	g.mu.Unlock()

	if w := g.report(agentapi.AnnouncePath, podAddress, agent, announcement(podAddress)); w.Code != 204 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if v, _ := g.Directory.View(alice); v.Pod.IP != podAddress || !v.Pod.Announced || !v.Pod.Listening {
		t.Errorf("pod = %+v, want the announced one", v.Pod)
	}
	g.expectNothingWritten()
}

func TestAnAnnouncementThatTheAPIContradictsOrThatIsOfAPodThatGoesCountsForNothing(t *testing.T) {
	g := newGateway(t)
	agent := g.sign(token.AudienceAgent, g.owned, 0)
	g.runs("p", func(p *corev1.Pod) { p.Status.PodIP = "198.51.100.9" })
	if w := g.report(agentapi.AnnouncePath, podAddress, agent, announcement(podAddress)); w.Code != 409 {
		t.Errorf("%d %s, want that the API's address wins", w.Code, w.Body)
	}
	if v, _ := g.Directory.View(alice); v.Pod.IP != "198.51.100.9" || v.Pod.Announced {
		t.Errorf("pod = %+v", v.Pod)
	}
	g.runs("p", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} })
	if w := g.report(agentapi.AnnouncePath, podAddress, agent, announcement(podAddress)); w.Code != 204 {
		t.Errorf("%d %s, want that it is kept until the API shows the pod", w.Code, w.Body)
	}
	if v, _ := g.Directory.View(alice); v.Pod != nil {
		t.Errorf("pod = %+v, want none", v.Pod)
	}
}

// ownAddress is one of this machine's that is not loopback.
func ownAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p := netip.MustParsePrefix(a.String()).Addr(); !p.IsLoopback() && !p.IsLinkLocalUnicast() {
			return p.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

func TestARealAgentsWordReachesWhoeverWaitsForTheDesktop(t *testing.T) {
	g := newGateway(t)
	desktop, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = desktop.Close() }()
	port := desktop.Addr().(*net.TCPAddr).Port
	here, err := net.Listen("tcp", net.JoinHostPort(ownAddress(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	// The desktop and the activator are on one machine here, and nowhere else.
	front := &httptest.Server{Listener: here, Config: &http.Server{Handler: g.podAPI(nil).Handler()}}
	front.Start()
	defer front.Close()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	g.runs(name, func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].ContainerPort = int32(port) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		agent.New(agent.Options{Activators: agent.ByService(here.Addr().String()), Pod: name, Token: g.sign(token.AudienceAgent, g.owned, 0),
			DesktopPort: uint16(port), Proc: "/proc", Log: g.Log}).Run(ctx)
	}()
	defer func() {
		cancel()
		<-done
	}()
	conn, err := g.prober.Dial(t.Context(), probe.Visit{Session: alice, UID: g.owned.UID})
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.RemoteAddr().(*net.TCPAddr); got.Port != port {
		t.Errorf("reached %s, want the desktop at port %d", got, port)
	}
	_ = conn.Close()
	if v, _ := g.Directory.View(alice); !v.Pod.Announced {
		t.Error("reached, but not by the agent's word")
	}
}

func TestInputAtTheDisplayIsReportedByTheSessionsPod(t *testing.T) {
	g := newGateway(t)
	g.runs("p", nil)
	g.change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime = &metav1.MicroTime{Time: time.Now().Add(-time.Hour)}
	})
	agent := g.sign(token.AudienceAgent, g.owned, 0)
	if w := g.report(agentapi.ActivityPath, podAddress, agent, agentapi.Activity{Pod: "q", IdleMilliseconds: 1000}); w.Code != 409 {
		t.Errorf("another pod's report got %d", w.Code)
	}
	if w := g.report(agentapi.ActivityPath, podAddress, "", agentapi.Activity{Pod: "p"}); w.Code != 403 {
		t.Errorf("a report without a token got %d", w.Code)
	}
	if w := g.report(agentapi.ActivityPath, podAddress, agent, `{"pod":"p","idleMilliseconds":-5}`); w.Code != 400 {
		t.Errorf("a report of the future got %d", w.Code)
	}
	if w := g.report(agentapi.ActivityPath, podAddress, agent, agentapi.Activity{Pod: "p", IdleMilliseconds: 2 * 3600 * 1000}); w.Code != 204 {
		t.Errorf("a report of input before the wake got %d", w.Code)
	}
	g.expectNothingWritten()
	g.change(func(s *v1alpha1.VDISession) {
		s.Status.Lifecycle = &v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(10 * time.Second)}
	})
	before := time.Now()
	w := g.report(agentapi.ActivityPath, podAddress, agent, agentapi.Activity{Pod: "p", IdleMilliseconds: 60_000})
	if w.Code != 204 || w.Header().Get(agentapi.ReportEveryHeader) != "2.5s" {
		t.Fatalf("%d %s, the next in %s", w.Code, w.Body, w.Header().Get(agentapi.ReportEveryHeader))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.writes) != 1 || g.writes[0].Input.Before(before.Add(-time.Minute)) || g.writes[0].Input.After(time.Now().Add(-time.Minute)) {
		t.Errorf("written: %v, want input a minute ago", g.writes)
	}
}
