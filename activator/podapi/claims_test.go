package podapi

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/agent"
	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/token"
)

const warm = "vdi-pool-1"

// waits shows a pod of a warm pool, and returns it with a token for it.
func (f *fixture) waits(aud token.Audience) (*corev1.Pod, string) {
	f.t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: warm, UID: "w", Labels: map[string]string{v1alpha1.LabelSession: ""}}}
	f.Directory.SetPod(p)
	raw, err := f.signer.SignPod(aud, token.Pod{Name: types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, UID: p.UID}, time.Now(), time.Hour)
	require.NoError(f.t, err)
	return p, raw
}

// claims shows that alice has claimed a pod.
func (f *fixture) claims(p *corev1.Pod) {
	p = p.DeepCopy()
	p.Labels[v1alpha1.LabelSession] = alice.Name
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "VDISession", Name: alice.Name, UID: f.session.UID, Controller: new(true)}}
	f.Directory.SetPod(p)
}

func TestARealAgentHandsOverWhoseItsPodHasBecome(t *testing.T) {
	f := newFixture(t)
	f.change(func(s *v1alpha1.VDISession) { s.Spec.User, s.Spec.Template = `o'neill; rm -rf "$HOME"`, "egl" })
	pod, raw := f.waits(token.AudienceAgent)
	here, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	front := &httptest.Server{Listener: here, Config: &http.Server{Handler: f.Handler()}}
	front.Start()
	defer front.Close()
	file := filepath.Join(t.TempDir(), "session")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	handed := make(chan bool)
	go func() {
		handed <- agent.New(agent.Options{Activators: agent.ByService(here.Addr().String()), Pod: warm, Token: raw, Proc: "/proc", Log: f.Log}).
			AwaitClaim(ctx, file)
	}()
	_, err = os.Stat(file)
	require.ErrorIs(t, err, os.ErrNotExist, "before it is anybody's")
	f.claims(pod)
	require.True(t, <-handed)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "VDI_NAMESPACE='desktops'\nVDI_SESSION='alice'\nVDI_TEMPLATE='egl'\nVDI_USER='o'\\''neill; rm -rf \"$HOME\"'\n", string(text))
}

func TestAPodThatWaitsSpeaksForNoSessionAndAClaimedOneForIts(t *testing.T) {
	f := newFixture(t)
	pod, raw := f.waits(token.AudienceAgent)
	said := announcement(podAddress)
	said.Pod = warm
	assert.Equal(t, 403, f.report(agentapi.AnnouncePath, podAddress, raw, said).Code, "while it waits")
	f.claims(pod)
	assert.Equal(t, 204, f.report(agentapi.AnnouncePath, podAddress, raw, said).Code)
	v, _ := f.Directory.View(alice)
	require.NotNil(t, v.Pod)
	assert.True(t, v.Pod.Announced)

	other := pod.DeepCopy()
	other.Labels[v1alpha1.LabelSession] = alice.Name // as its own Deployment's has
	f.Directory.SetPod(other)
	assert.Equal(t, 403, f.report(agentapi.AnnouncePath, podAddress, raw, said).Code, "one that the session does not control")
	f.claims(pod)
	f.Directory.DropPod(other)
	assert.Equal(t, 403, f.report(agentapi.AnnouncePath, podAddress, raw, said).Code, "once it is gone")
	assert.Equal(t, 403, f.report(agentapi.ClaimPath, podAddress, f.sign(token.AudienceAgent, f.session), "").Code, "a session's token claims nothing")
	assert.NotContains(t, f.log.String(), "eyJ", "a token is in the log")
}

func TestADesktopThatWaitsGetsATURNCredentialOfItsOwn(t *testing.T) {
	f := newFixture(t)
	pod, raw := f.waits(token.AudienceTURN)
	ask := func() *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, TURNPath, nil)
		r.Header.Set("X-Auth-User", raw)
		w := httptest.NewRecorder()
		f.Handler().ServeHTTP(w, r)
		return w
	}
	w := ask()
	require.Equal(t, 200, w.Code, "%s", w.Body)
	assert.Contains(t, w.Body.String(), ":desktops/"+warm)
	f.claims(pod)
	assert.Contains(t, ask().Body.String(), ":desktops/alice", "its session's once it has one")
	f.Directory.DropPod(pod)
	assert.Equal(t, 403, ask().Code, "none once it is gone")
}
