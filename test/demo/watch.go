package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/test/harness"
)

// stageNames are the activator's stages in a person's words.
var stageNames = map[metrics.Stage]string{
	metrics.StageWakeWritten:  "wake written",
	metrics.StageScheduled:    "pod scheduled",
	metrics.StageStarted:      "container started (as the API reports it)",
	metrics.StageAnnounced:    "pod announced itself",
	metrics.StageAddress:      "pod's address known",
	metrics.StageReached:      "desktop reached",
	metrics.StageFirstMessage: "desktop's first message delivered",
}

// pageMarks are the marks of the page around the desktop.
var pageMarks = map[string]string{
	"vdi-frame-asked":   "desktop's client asked for",
	"vdi-desktop-shown": "desktop shown",
}

// markNames are the client's marks in a person's words.
var markNames = map[string]string{
	"offer":        "offer delivered",
	"iceConnected": "ICE connected",
	"firstFrame":   "first frame",
}

// watch opens the session in a browser, waits until the picture moves, and returns what happened
// when, with a screenshot. A sign-in comes before, and is not timed.
func (d *demo) watch(ctx context.Context) (timeline, []byte, error) {
	browser, err := harness.OpenBrowser(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer browser.Close()

	opened := d.link
	if d.in.SignsIn() {
		if opened, err = d.url, d.signIn(ctx, browser); err != nil {
			return nil, nil, err
		}
	}
	var times timeline
	events := listen(browser.Ctx)
	marks := map[string]float64{}
	var picture []byte
	times.add("URL opened", time.Now())
	err = chromedp.Run(browser.Ctx, network.Enable(), page.Enable(), page.SetLifecycleEventsEnabled(true), chromedp.Navigate(opened))
	if err != nil {
		return nil, nil, fmt.Errorf("opening the session: %w", err)
	}
	for _, shown := range []string{harness.DesktopShown, harness.FirstFrameShown, harness.FramesShown + " >= 30"} {
		if err := browser.Until(ctx, shown); err != nil {
			return nil, nil, err
		}
	}
	err = chromedp.Run(browser.Ctx, chromedp.Evaluate(harness.DesktopMarks, &marks), chromedp.CaptureScreenshot(&picture))
	if err != nil {
		return nil, nil, fmt.Errorf("looking at the page: %w", err)
	}
	times = append(times, events()...)
	var ours map[string]float64
	const readMarks = `Object.fromEntries(performance.getEntriesByType("mark").map((m) => [m.name, performance.timeOrigin + m.startTime]))`
	if err := chromedp.Run(browser.Ctx, chromedp.Evaluate(readMarks, &ours)); err != nil {
		return nil, nil, fmt.Errorf("looking at the page: %w", err)
	}
	for mark, name := range pageMarks {
		if at := ours[mark]; at > 0 {
			times.add(name, time.UnixMicro(int64(at*1000)))
		}
	}
	for mark, name := range markNames {
		if at := marks[mark]; at > 0 {
			times.add(name, time.UnixMicro(int64(at*1000)))
		}
	}
	status, err := d.visitor.Status(ctx)
	if err != nil {
		return nil, nil, err
	}
	for stage, name := range stageNames {
		if at := status.Timeline[string(stage)]; at > 0 {
			times.add(name, time.UnixMilli(at))
		}
	}
	return times, picture, nil
}

// signIn has the browser's person sign in at the portal, which shows the session.
func (d *demo) signIn(ctx context.Context, browser *harness.Browser) error {
	if err := browser.SignIn(ctx, harness.PortalURL, userName); err != nil {
		return err
	}
	if err := browser.Until(ctx, harness.PortalShown+` && document.querySelector("#page").innerText.includes("`+name+`")`); err != nil {
		return fmt.Errorf("%w; %s", err, browser.Describe())
	}
	var picture []byte
	if err := chromedp.Run(browser.Ctx, chromedp.CaptureScreenshot(&picture)); err != nil {
		return fmt.Errorf("looking at the portal: %w", err)
	}
	out := filepath.Join(d.in.Root, "out", "demo-portal.png")
	fmt.Printf("screenshot of the portal: %s\n", out)
	return os.WriteFile(out, picture, 0o644)
}

// listen notes what the browser tells of the page; the returned function gives the
// notes.
func listen(tab context.Context) func() timeline {
	var mu sync.Mutex
	var seen timeline
	once := map[string]bool{}
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		if !once[what] {
			once[what] = true
			seen.add(what, time.Now())
		}
	}
	chromedp.ListenTarget(tab, func(ev any) {
		switch ev := ev.(type) {
		case *page.EventLifecycleEvent:
			if ev.Name == "firstContentfulPaint" {
				note("page shown")
			}
		case *network.EventWebSocketHandshakeResponseReceived:
			note("WebSocket accepted")
		}
	})
	return func() timeline {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}
