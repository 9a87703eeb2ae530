//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/agentapi"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/workload"
	"github.com/org/vdi-operator/test/desktop/viewer"
	"github.com/org/vdi-operator/test/harness"
)

// withoutAgent is what agent.enabled=false is for one template.
func withoutAgent(s *v1alpha1.VDITemplateSpec) {
	s.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"vdi-agent","$patch":"delete"}]}}`)}
}

// coldStart visits a session at zero pods until its desktop answers, and returns the
// stages that the activator saw.
func coldStart(ctx context.Context, t *testing.T, key types.NamespacedName) map[string]int64 {
	t.Helper()
	visitor := invited(ctx, t, key)
	resp, _, err := visitor.Get(ctx, "/", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "the desktop's answer: %v", resp)
	status, err := visitor.Status(ctx)
	require.NoError(t, err)
	return status.Timeline
}

func TestAPodAnnouncesItselfToTheActivatorThatWaitsForIt(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	// On a busy machine the API may be faster, which is no fault: the race is run again
	// until the story's time is over.
	for run := 1; ; run++ {
		seen := coldStart(ctx, t, session(ctx, t, fmt.Sprintf("announced-%d", run), template(t, nil), nil))
		announced, said := seen[string(metrics.StageAnnounced)]
		reached := seen[string(metrics.StageReached)]
		if said && seen["requested"] <= announced && announced <= reached {
			t.Logf("announced after %d ms, reached after %d ms", announced-seen["requested"], reached-seen["requested"])
			return
		}
		t.Logf("not announced before it was reached: %v", seen)
	}
}

func TestADesktopWithoutAnAgentIsFoundByTheAPI(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "silent", template(t, withoutAgent), nil)
	seen := coldStart(ctx, t, key)
	at, is := seen[string(metrics.StageAnnounced)]
	assert.False(t, is, "announced at %d by nobody", at)
	assert.NotEqualValues(t, 0, seen[string(metrics.StageReached)], "not reached by the activator's account")
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	pods, err := in.Pods(ctx, s)
	require.NoError(t, err)
	require.Len(t, pods, 1, "pods, want 1")
	for i := range pods[0].Spec.Containers {
		assert.NotEqual(t, v1alpha1.ContainerAgent, pods[0].Spec.Containers[i].Name, "the agent that the template removed is there")
	}
}

func TestTypingAtADesktopIsKnownThoughNoPageReportsIt(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "typing", template(t, nil), nil)
	stream, err := invited(ctx, t, key).View(ctx, nil)
	require.NoError(t, err)
	defer stream.Close()
	// Keys on from here: input from before the agent first looked at the display is not
	// told from the display's own start.
	s, err := in.Session(ctx, key, "seen to be typed at", func(s *v1alpha1.VDISession) bool {
		if a := s.Status.Activity; a != nil && a.LastInputTime != nil {
			return true
		}
		if err := press(ctx, stream); err != nil {
			t.Log(err)
		}
		return false
	})
	require.NoError(t, err)
	at := s.Status.Activity.LastInputTime
	require.False(t, at.Time.Before(s.Status.StartTime.Time))
	assert.False(t, at.After(time.Now()), "input at %s, want between the wake at %s and now", at, s.Status.StartTime)
}

func press(ctx context.Context, stream *viewer.Viewer) error {
	if err := stream.WaitInput(ctx); err != nil {
		return err
	}
	const letterA = "97"
	return errors.Join(stream.SendInput("kd,"+letterA), stream.SendInput("ku,"+letterA))
}

func TestATokenAloneMovesNobodysDesktop(t *testing.T) {
	t.Parallel()
	if in.PortForward {
		t.Skip("pods of a cluster elsewhere cannot be reached from here")
	}
	ctx := story(t)
	key := session(ctx, t, "immovable", template(t, nil), nil)
	coldStart(ctx, t, key)
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	var tokens corev1.Secret
	if err := in.Client.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: workload.TokenSecretName(key.Name)}, &tokens); err != nil {
		t.Fatal(err)
	}
	var activators corev1.PodList
	err = in.Client.List(ctx, &activators, client.InNamespace(in.SystemNamespace), client.MatchingLabels{"app.kubernetes.io/component": "activator"})
	require.NoError(t, err)
	require.NotEmpty(t, activators.Items, "no activator")
	for name, c := range map[string]struct {
		token  []byte
		status int
	}{
		"the desktop's own token":           {tokens.Data[workload.TokenKey], http.StatusForbidden},
		"the agent's token, from elsewhere": {tokens.Data[workload.AgentTokenKey], http.StatusConflict},
	} {
		for i := range activators.Items {
			assert.Equal(t, c.status, announceFromHere(ctx, t, activators.Items[i].Status.PodIP, string(c.token), s.Status.PodName),
				name)
		}
	}
	resp, _, err := invited(ctx, t, key).Get(ctx, "/", nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode, "the desktop's answer: %v", resp)
}

// announceFromHere says of a pod that it is where this test runs.
func announceFromHere(ctx context.Context, t *testing.T, activator, token, pod string) int {
	t.Helper()
	at := net.JoinHostPort(activator, "8081")
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	here := conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	body, err := json.Marshal(agentapi.Announcement{Pod: pod, Address: here, Listening: true})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at+agentapi.AnnouncePath, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = resp.Body.Close()
	return resp.StatusCode
}
