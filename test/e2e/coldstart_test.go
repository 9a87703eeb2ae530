//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/test/desktop/viewer"
	"github.com/org/vdi-operator/test/harness"
)

// wantFrames is two seconds of video: a stream, not a picture.
const wantFrames = 30

func TestAVisitorGetsVideoThroughTURNFromADesktopAtZeroPods(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	gpus.Lock()
	defer gpus.Unlock()
	key := session(ctx, t, "cold", template(t, func(s *v1alpha1.VDITemplateSpec) { s.Resources.DefaultGPU = ptr(int32(1)) }), nil)
	s, err := in.Session(ctx, key, "at zero", harness.InPhase(v1alpha1.PhaseAsleep))
	if err != nil {
		t.Fatal(err)
	}
	if pods, err := in.Pods(ctx, s); err != nil || len(pods) != 0 {
		t.Fatalf("the sleeping session has %d pods (%v), want none", len(pods), err)
	}

	visitor := invited(ctx, t, key)
	stream, err := visitor.View(ctx, func(o *viewer.Options) { o.ForceRelay = true })
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := stream.WaitFrames(ctx, wantFrames); err != nil {
		t.Fatal(err)
	}
	if pair, err := stream.SelectedCandidatePair(); err != nil || pair.LocalType != "relay" {
		t.Errorf("the connection is %s (%v), want the visitor's side relayed", pair, err)
	}

	pods, err := in.Pods(ctx, s)
	if err != nil || len(pods) != 1 {
		t.Fatalf("the awake session has %d pods (%v), want 1", len(pods), err)
	}
	for i := range pods[0].Spec.Containers {
		if c := &pods[0].Spec.Containers[i]; c.Name == v1alpha1.ContainerDesktop {
			if gpus := c.Resources.Limits["nvidia.com/gpu"]; gpus.Value() != 1 {
				t.Errorf("the desktop has %s GPUs, want 1", gpus.String())
			}
		}
	}
	status, err := visitor.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range metrics.Stages {
		if status.Timeline[string(stage)] < status.Timeline["requested"] || status.Timeline["requested"] == 0 {
			t.Errorf("stage %s is at %d, want one after the request at %d", stage, status.Timeline[string(stage)], status.Timeline["requested"])
		}
	}
}

func TestAPageLoadGetsThePageAroundTheDesktopAndItsFrameTheDesktop(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "waiting", template(t, nil), nil)
	visitor := invited(ctx, t, key)
	html := http.Header{"Accept": {"text/html"}}
	resp, body, err := visitor.Get(ctx, "/", html)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusAccepted || !strings.Contains(string(body), "Your desktop is starting") {
		t.Fatalf("the first load answered %s, want the waiting page", resp.Status)
	}
	// A program that follows no script loads it again, as a person would.
	err = harness.Eventually(ctx, "the page around the running desktop", func() error {
		resp, body, err := visitor.Get(ctx, "/", html)
		if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "Opening your desktop")) {
			err = fmt.Errorf("it answers %s", resp.Status)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if resp, body, err = visitor.Get(ctx, "/?vdi_frame=1", html); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "<video") {
		t.Fatalf("the running desktop's page: %v %v", resp, err)
	}
}
