//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/test/desktop/viewer"
	"github.com/org/vdi-operator/test/harness"
)

// wantFrames is two seconds of video: a stream, not a picture.
const wantFrames = 30

func TestAVisitorGetsVideoThroughTURNFromADesktopAtZeroPods(t *testing.T) {
	t.Parallel()
	gpus.RLock()
	defer gpus.RUnlock()
	ctx := story(t)
	key := session(ctx, t, "cold", template(t, func(s *v1alpha1.VDITemplateSpec) { s.Resources.DefaultGPU = ptr(int32(1)) }), nil)
	s, err := in.Session(ctx, key, "at zero", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	if pods, err := in.Pods(ctx, s); err != nil || len(pods) != 0 {
		t.Fatalf("the sleeping session has %d pods (%v), want none", len(pods), err)
	}

	visitor := invited(ctx, t, key)
	stream, err := visitor.View(ctx, func(o *viewer.Options) { o.ForceRelay = true })
	require.NoError(t, err)
	defer stream.Close()
	require.NoError(t, stream.WaitFrames(ctx, wantFrames))
	pair, err := stream.SelectedCandidatePair()
	require.NoError(t, err)
	assert.Equal(t, "relay", pair.LocalType, "the connection is %s, want the visitor's side relayed", pair)

	pods, err := in.Pods(ctx, s)
	require.NoError(t, err)
	require.Len(t, pods, 1, "the awake session has %d pods (%v), want 1", len(pods), err)
	for i := range pods[0].Spec.Containers {
		if c := &pods[0].Spec.Containers[i]; c.Name == v1alpha1.ContainerDesktop {
			if gpus := c.Resources.Limits["nvidia.com/gpu"]; gpus.Value() != 1 {
				t.Errorf("the desktop has %s GPUs, want 1", gpus.String())
			}
		}
	}
	status, err := visitor.Status(ctx)
	require.NoError(t, err)
	for _, stage := range metrics.Stages {
		if stage == metrics.StageAnnounced && status.Timeline[string(stage)] == 0 {
			continue // the API was sooner; TestAPodAnnouncesItself… has the other case
		}
		require.GreaterOrEqual(t, status.Timeline[string(stage)], status.Timeline["requested"])
		assert.NotEqualValues(t, 0, status.Timeline["requested"], "stage %s", stage)
	}
}

func TestAPageLoadGetsThePageAroundTheDesktopAndItsFrameTheDesktop(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "waiting", template(t, nil), nil)
	visitor := invited(ctx, t, key)
	html := http.Header{"Accept": {"text/html"}}
	resp, body, err := visitor.Get(ctx, "/", html)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	require.Contains(t, string(body), "Your desktop is starting", "the first load answered %s, want the waiting page", resp.Status)
	// A program that follows no script loads it again, as a person would.
	err = eventually.Wait(ctx, "the page around the running desktop", func() error {
		resp, body, err := visitor.Get(ctx, "/", html)
		if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "Opening your desktop")) {
			err = fmt.Errorf("it answers %s", resp.Status)
		}
		return err
	})
	require.NoError(t, err)
	resp, body, err = visitor.Get(ctx, "/?vdi_frame=1", html)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, string(body), "<video", "the running desktop's page: %v", resp)
}
