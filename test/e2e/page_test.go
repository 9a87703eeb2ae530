//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/test/harness"
)

// shortIdle lets a story see a desktop fall asleep for want of input.
const shortIdle = 40 * time.Second

// person is a browser at a session's link.
type person struct {
	*harness.Browser
	t   *testing.T
	ctx context.Context
	key types.NamespacedName
}

func arrives(ctx context.Context, t *testing.T, key types.NamespacedName) *person {
	t.Helper()
	link, err := in.Link(ctx, key, linkTTL)
	require.NoError(t, err)
	browser, err := harness.OpenBrowser(ctx)
	require.NoError(t, err)
	t.Cleanup(browser.Close)
	p := &person{browser, t, ctx, key}
	p.opens(link)
	return p
}

// opens goes to a link.
func (p *person) opens(link string) {
	p.t.Helper()
	// A headless tab has no focus of its own.
	p.does(emulation.SetFocusEmulationEnabled(true), chromedp.Navigate(link))
}

func (p *person) does(actions ...chromedp.Action) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Run(p.Ctx, actions...))
}

func (p *person) sees(expression string) {
	p.t.Helper()
	if err := p.Until(p.ctx, expression); err != nil {
		p.t.Fatalf("%v; %s", err, p.Describe())
	}
}

func (p *person) takesPicture(name string) {
	p.t.Helper()
	var picture []byte
	p.does(chromedp.CaptureScreenshot(&picture))
	require.NoError(p.t, os.WriteFile(filepath.Join(in.Root, "out", name), picture, 0o644))
}

// inputAfter waits until the session records input later than that.
func (p *person) inputAfter(then time.Time) time.Time {
	p.t.Helper()
	s, err := in.Session(p.ctx, p.key, "recording the input", func(s *v1alpha1.VDISession) bool {
		a := s.Status.Activity
		return a != nil && a.LastInputTime != nil && a.LastInputTime.After(then)
	})
	require.NoError(p.t, err)
	return s.Status.Activity.LastInputTime.Time
}

func TestAPersonIsWarnedStaysLetsItSleepAndWakesItByTheButton(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "page", template(t, func(s *v1alpha1.VDITemplateSpec) {
		s.Lifecycle.IdleTimeout, s.Lifecycle.DisconnectTimeout = clock(shortIdle), clock(5*time.Minute)
	}), nil)
	p := arrives(ctx, t, key)
	p.sees(harness.DesktopShown + " && " + harness.FirstFrameShown)
	p.sees(`!location.search && !document.cookie.includes("vdi")`) // the token is where no script reads it
	opened := p.inputAfter(time.Time{})                            // opening a desktop is using it
	p.sees(harness.WarningShown)                                   // nobody types
	p.takesPicture("e2e-warning.png")
	p.does(chromedp.Click(harness.StayButton))
	p.sees("!(" + harness.WarningShown + ")")
	stayed := p.inputAfter(opened)
	p.does(chromedp.KeyEvent("a")) // into the desktop's frame, which has the focus again
	p.inputAfter(stayed)

	p.does(chromedp.Evaluate(`window.same = true`, nil))
	p.sees(harness.AsleepShown + ` && frames.length === 0`)
	p.takesPicture("e2e-asleep.png")
	s, err := in.Session(ctx, key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	assert.Equal(t, string(lifecycle.ReasonIdle), s.Status.SleepReason, "it sleeps because, want %q", lifecycle.ReasonIdle)
	require.NoError(t, in.NoPods(ctx, s))

	p.does(chromedp.Click(harness.WakeButton))
	p.sees(harness.DesktopShown + " && " + harness.FirstFrameShown + " && window.same")
	s, err = in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	assert.NotNil(t, s.Status.LastStartDuration, "how long its start took is not recorded")
	// The second time, the client was there before the desktop.
	var marks map[string]float64
	p.does(chromedp.Evaluate(harness.DesktopMarks, &marks))
	status, err := invited(ctx, t, key).Status(ctx)
	require.NoError(t, err)
	if reached := float64(status.Timeline[string(metrics.StageReached)]); marks["opened"] == 0 || marks["opened"] >= reached {
		t.Errorf("the desktop's client was loaded at %.0f, want before the desktop was reached at %.0f", marks["opened"], reached)
	} else {
		t.Logf("the client was loaded %.0f ms before the desktop was reached, its sockets were open %.0f ms before", reached-marks["opened"], reached-marks["wsOpen"])
	}
}

func TestAReconnectingClientDoesNotWakeWhatAClockPutToSleep(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	tpl := template(t, nil)
	key := session(ctx, t, "reconnects", tpl, nil)
	p := arrives(ctx, t, key)
	p.sees(harness.DesktopShown + " && " + harness.FirstFrameShown)
	// Only now, however long the start took.
	patch := []byte(`{"spec":{"lifecycle":{"maxDuration":"20s"}}}`)
	err := in.Client.Patch(ctx, &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: tpl}}, client.RawPatch(types.MergePatchType, patch))
	require.NoError(t, err)
	p.sees(harness.AsleepShown)
	visitor := invited(ctx, t, key)
	frame := http.Header{"Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"same-origin"}}
	resp, _, err := visitor.Get(ctx, "/", frame)
	require.NoError(t, err)
	assert.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, "the desktop's own reload got %v", resp)
	s, err := in.Session(ctx, key, "still asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	a := s.Status.Activity
	assert.False(t, a != nil && a.LastWakeTime != nil && a.LastWakeTime.After(s.Status.SleepTime.Time), "it was woken by nobody")
}
