//go:build browser

package browser

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

// gesture has a script run as one that a person has started.
func gesture(p *runtime.EvaluateParams) *runtime.EvaluateParams {
	return p.WithUserGesture(true).WithAwaitPromise(true)
}

// watermarked is a person who sees a desktop with a watermark.
func watermarked(t *testing.T) *visit {
	t.Helper()
	v := newVisit(t)
	v.Change(func(s *v1alpha1.VDISession) {
		s.Status.Access = &v1alpha1.AccessPolicy{Watermark: "{user} · {time}", Clipboard: v1alpha1.ClipboardToDesktop}
	})
	v.link("/")
	v.Wakes(framed(t))
	v.until(harness.DesktopShown)
	return v
}

func TestAWatermarkIsOverTheDesktopWhichIsUsedAsWithoutOne(t *testing.T) {
	v := watermarked(t)
	v.until(`/^alice@example\.com · \d{4}-\d\d-\d\d \d\d:\d\d UTC$/.test(document.querySelector("#watermark span").textContent)`)
	assert.Equal(t, "frame", v.text(`document.elementFromPoint(innerWidth / 2, innerHeight / 2).id`), "what is clicked")
	const above = `Number(getComputedStyle(document.getElementById("watermark")).zIndex) > Number(getComputedStyle(document.getElementById("frame")).zIndex)`
	v.until(above)
	v.until(`[...document.querySelectorAll("#watermark span")].filter((s) => { const r = s.getBoundingClientRect(); ` +
		`return r.left >= 0 && r.top >= 0 && r.right <= innerWidth && r.bottom <= innerHeight }).length > 3`)
	v.until(`!document.featurePolicy || !document.getElementById("frame").featurePolicy.allowsFeature("clipboard-write")`)
	v.until(`!document.featurePolicy || document.getElementById("frame").featurePolicy.allowsFeature("clipboard-read")`)
	if folder := os.Getenv("VDI_PICTURES"); folder != "" {
		var picture []byte
		v.run(chromedp.EmulateViewport(1100, 700), chromedp.CaptureScreenshot(&picture))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "watermark.png"), picture, 0o600))
	}
}

func TestAWatermarkFollowsADesktopThatFillsTheScreen(t *testing.T) {
	v := watermarked(t)
	v.run(chromedp.Evaluate(`frames[0].document.documentElement.requestFullscreen()`, nil, gesture))
	v.until(`document.fullscreenElement?.id === "frame" && document.getElementById("watermark").matches(":popover-open")`)
	v.until(`document.getElementById("watermark").getBoundingClientRect().width >= innerWidth - 1`)
	assert.Equal(t, "frame", v.text(`document.elementFromPoint(innerWidth / 2, innerHeight / 2).id`), "what is clicked")
	if folder := os.Getenv("VDI_PICTURES"); folder != "" {
		var picture []byte
		v.run(chromedp.CaptureScreenshot(&picture))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "watermark-fullscreen.png"), picture, 0o600))
	}
	v.run(chromedp.Evaluate(`void document.exitFullscreen()`, nil))
	v.until(`!document.fullscreenElement && document.getElementById("watermark").checkVisibility()`)
}
