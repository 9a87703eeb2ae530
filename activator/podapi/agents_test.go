package podapi

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/pkg/agent"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/token"
)

func announcement(address string) agentapi.Announcement {
	return agentapi.Announcement{Pod: "p", Address: netip.MustParseAddr(address), Listening: true}
}

func TestAnAnnouncementIsBelievedOfItsOwnPodFromItsOwnAddressOnly(t *testing.T) {
	f := newFixture(t)
	f.runs("p", nil)
	own := ownAddress(t)
	agent := f.sign(token.AudienceAgent, f.session)
	before := f.refusals(closing.AgentAddress)
	w := f.report(agentapi.AnnouncePath, own, agent, announcement(own))
	assert.Equal(t, 409, w.Code, "the activator's own address: %s", w.Body)
	assert.Equal(t, before+1, f.refusals(closing.AgentAddress))
	v, _ := f.Directory.View(alice)
	require.False(t, v.Pod.Announced)
	assert.Empty(t, v.Pod.IP, "it was believed: %+v", v.Pod)
	require.NotContains(t, f.log.String(), agent)
	assert.NotContains(t, f.log.String(), "eyJ", "a token is in the log")

	w = f.report(agentapi.AnnouncePath, podAddress, agent, announcement(podAddress))
	require.Equal(t, 204, w.Code, "%s", w.Body)
	if v, _ := f.Directory.View(alice); v.Pod.IP != podAddress || !v.Pod.Announced || !v.Pod.Listening {
		t.Errorf("pod = %+v, want the announced one", v.Pod)
	}
	f.expectNothingWritten()
}

func TestAnAnnouncementThatTheAPIContradictsOrThatIsOfAPodThatGoesCountsForNothing(t *testing.T) {
	f := newFixture(t)
	agent := f.sign(token.AudienceAgent, f.session)
	f.runs("p", func(p *corev1.Pod) { p.Status.PodIP = "198.51.100.9" })
	w := f.report(agentapi.AnnouncePath, podAddress, agent, announcement(podAddress))
	assert.Equal(t, 409, w.Code, "%s, want that the API's address wins", w.Body)
	v, _ := f.Directory.View(alice)
	require.Equal(t, "198.51.100.9", v.Pod.IP)
	assert.False(t, v.Pod.Announced, "pod = %+v", v.Pod)
	f.runs("p", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} })
	w = f.report(agentapi.AnnouncePath, podAddress, agent, announcement(podAddress))
	assert.Equal(t, 204, w.Code, "%s, want that it is kept until the API shows the pod", w.Body)
	v, _ = f.Directory.View(alice)
	assert.Nil(t, v.Pod, "pod, want none")
}

// ownAddress is one of this machine's that is not loopback.
func ownAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addrs {
		if p := netip.MustParsePrefix(a.String()).Addr(); !p.IsLoopback() && !p.IsLinkLocalUnicast() {
			return p.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

func TestARealAgentsWordReachesWhoeverWaitsForTheDesktop(t *testing.T) {
	f := newFixture(t)
	desktop, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	defer func() { _ = desktop.Close() }()
	port := desktop.Addr().(*net.TCPAddr).Port
	here, err := net.Listen("tcp", net.JoinHostPort(ownAddress(t), "0"))
	require.NoError(t, err)
	f.Own = nil // The desktop and the activator are on one machine here, and nowhere else.
	front := &httptest.Server{Listener: here, Config: &http.Server{Handler: f.Handler()}}
	front.Start()
	defer front.Close()
	name, err := os.Hostname()
	require.NoError(t, err)
	f.runs(name, func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].ContainerPort = int32(port) })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		agent.New(agent.Options{Activators: agent.ByService(here.Addr().String()), Pod: name, Token: f.sign(token.AudienceAgent, f.session),
			DesktopPort: uint16(port), Proc: "/proc", Log: f.Log}).Run(ctx)
	}()
	defer func() {
		cancel()
		<-done
	}()
	conn, err := probe.New(f.Directory, (&net.Dialer{}).DialContext).Dial(t.Context(), probe.Visit{Session: alice, UID: f.session.UID})
	require.NoError(t, err)
	got := conn.RemoteAddr().(*net.TCPAddr)
	assert.Equal(t, port, got.Port, "reached %s", got)
	_ = conn.Close()
	v, _ := f.Directory.View(alice)
	assert.True(t, v.Pod.Announced, "reached, but not by the agent's word")
}

func TestInputAtTheDisplayIsReportedByTheSessionsPod(t *testing.T) {
	f := newFixture(t)
	f.runs("p", nil)
	f.change(func(s *v1alpha1.VDISession) {
		s.Status.StartTime = &metav1.MicroTime{Time: time.Now().Add(-time.Hour)}
	})
	agent := f.sign(token.AudienceAgent, f.session)
	assert.Equal(t, 409, f.report(agentapi.ActivityPath, podAddress, agent, agentapi.Activity{Pod: "q", IdleMilliseconds: 1000}).Code,
		"another pod's report")
	assert.Equal(t, 403, f.report(agentapi.ActivityPath, podAddress, "", agentapi.Activity{Pod: "p"}).Code, "a report without a token")
	assert.Equal(t, 400, f.report(agentapi.ActivityPath, podAddress, agent, `{"pod":"p","idleMilliseconds":-5}`).Code,
		"a report of the future")
	f.expectNothingWritten()
	for range 2 {
		if w := f.report(agentapi.ActivityPath, podAddress, agent, agentapi.Activity{Pod: "p", IdleMilliseconds: 2 * 3600 * 1000}); w.Code != 204 {
			t.Errorf("a report of input before the wake got %d", w.Code)
		}
	}
	if len(f.writes) != 1 || f.writes[0].Watched.IsZero() || !f.writes[0].Input.IsZero() {
		t.Errorf("written: %v, want once that input is watched", f.writes)
	}
	f.writes = nil
	f.change(func(s *v1alpha1.VDISession) {
		s.Status.Lifecycle = &v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(10 * time.Second)}
	})
	before := time.Now()
	w := f.report(agentapi.ActivityPath, podAddress, agent, agentapi.Activity{Pod: "p", IdleMilliseconds: 60_000})
	require.Equal(t, 204, w.Code, "%s", w.Body)
	require.Equal(t, "2.5s", w.Header().Get(agentapi.ReportEveryHeader), "%s, the next", w.Body)
	if len(f.writes) != 1 || f.writes[0].Input.Before(before.Add(-time.Minute)) || f.writes[0].Input.After(time.Now().Add(-time.Minute)) {
		t.Errorf("written: %v, want input a minute ago", f.writes)
	}
}
