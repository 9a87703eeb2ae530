package turnconfig

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/turn"
)

func TestTURNServersAreTheNodesOfCoturnsReadyPods(t *testing.T) {
	pod := func(name, ip string, ready corev1.ConditionStatus) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "turn", Name: name, Labels: map[string]string{"app": "coturn"}}}
		p.Status.HostIP = ip
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
		return p
	}
	other := pod("other", "192.0.2.9", corev1.ConditionTrue)
	other.Labels = nil
	tn := &Server{Config: config.TURN{Discovery: &config.TURNDiscovery{Namespace: "turn", Selector: map[string]string{"app": "coturn"}, Port: 3478}},
		Pods: fake.NewClientBuilder().WithObjects(pod("a", "192.0.2.2", "True"), pod("b", "192.0.2.1", "True"), pod("c", "192.0.2.1", "True"),
			pod("starting", "192.0.2.3", "False"), pod("pending", "", "True"), pod("six", "2001:db8::1", "True"), other).Build()}
	want := "stun:192.0.2.1:3478 turn:192.0.2.1:3478?transport=udp turn:192.0.2.1:3478?transport=tcp " +
		"stun:192.0.2.2:3478 turn:192.0.2.2:3478?transport=udp turn:192.0.2.2:3478?transport=tcp " +
		"stun:[2001:db8::1]:3478 turn:[2001:db8::1]:3478?transport=udp turn:[2001:db8::1]:3478?transport=tcp"
	assert.Equal(t, want, strings.Join(tn.urls(), " "), "urls")
	tn.Config.URLs = []string{"turn:fixed.example"}
	got := tn.urls()
	require.Len(t, got, 1)
	assert.Equal(t, "turn:fixed.example", got[0], "urls, want the configured one")
}

func TestATURNServerIsAnnouncedAtThePublicAddressThatItFound(t *testing.T) {
	var asked atomic.Int32
	said := atomic.Pointer[string]{}
	say := func(s string) { said.Store(&s) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		assert.Equal(t, turn.AddressPath, r.URL.Path, "asked")
		_, _ = w.Write([]byte(*said.Load()))
	}))
	defer server.Close()
	host, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	addressPort, _ := strconv.Atoi(port)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "turn", Name: "a", UID: "1", Labels: map[string]string{"app": "coturn"}}}
	p.Status = corev1.PodStatus{HostIP: "192.0.2.2", PodIP: host, Phase: corev1.PodRunning,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}, ContainerStatuses: []corev1.ContainerStatus{{}}}
	cluster := func() client.Reader { return fake.NewClientBuilder().WithObjects(p.DeepCopy()).Build() }
	tn := &Server{Pods: cluster(), Log: slog.New(slog.DiscardHandler), Config: config.TURN{Discovery: &config.TURNDiscovery{Namespace: "turn", Selector: map[string]string{"app": "coturn"},
		Port: 3478, AddressPort: addressPort, TLS: &config.TURNSecurely{Host: "turn.example.com", Port: 5349}}}}
	expect := func(want string) {
		t.Helper()
		assert.Equal(t, want, strings.Join(tn.urls(), " "), "urls")
	}
	const tls = "turns:turn.example.com:5349?transport=tcp"
	say(`{"address":"not one"}`)
	expect(tls)
	say(`{"address":"203.0.113.7"}`)
	// A failed server is not asked by every visitor.
	expect(tls)
	assert.EqualValues(t, 1, asked.Load(), "asked times")
	p.Status.ContainerStatuses[0].RestartCount = 1
	tn.Pods = cluster()
	want := "stun:203.0.113.7:3478 turn:203.0.113.7:3478?transport=udp turn:203.0.113.7:3478?transport=tcp " + tls
	expect(want)
	say("")
	expect(want)
	assert.EqualValues(t, 2, asked.Load(), "asked times: its answer is not kept")
	tn.Config.Discovery.Address = "203.0.113.8"
	expect(strings.ReplaceAll(want, "203.0.113.7", "203.0.113.8"))
}

func TestAServerThatEndsIsAnnouncedWhereThereIsNoOther(t *testing.T) {
	pod := func(name, ip string, ends bool) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "turn", Name: name, Labels: map[string]string{"app": "coturn"}}}
		p.Status = corev1.PodStatus{HostIP: ip, Phase: corev1.PodRunning}
		if ends {
			now := metav1.Now()
			p.DeletionTimestamp, p.Finalizers = &now, []string{"test/keep"}
		} else {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		return p
	}
	tn := &Server{Config: config.TURN{Discovery: &config.TURNDiscovery{Namespace: "turn", Selector: map[string]string{"app": "coturn"}, Port: 3478}},
		Pods: fake.NewClientBuilder().WithObjects(pod("ends", "192.0.2.1", true)).Build()}
	got := strings.Join(tn.urls(), " ")
	assert.True(t, strings.HasPrefix(got, "stun:192.0.2.1:"), "urls = %s, want those of the server that is still there", got)
	tn.Pods = fake.NewClientBuilder().WithObjects(pod("ends", "192.0.2.1", true), pod("next", "192.0.2.2", false)).Build()
	got = strings.Join(tn.urls(), " ")
	require.NotContains(t, got, "192.0.2.1")
	assert.True(t, strings.HasPrefix(got, "stun:192.0.2.2:"), "urls, want those of the one that stays")
}
