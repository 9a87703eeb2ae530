package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/org/vdi-operator/test/harness"
)

// The marks of the desktop's page (window.desktop.marks), in the order in which they
// usually come.
const (
	markPage  = "opened"
	markTURN  = "turn"
	markOpen  = "wsOpen"
	markHello = "hello"
	markOffer = "offer"
	markICE   = "iceConnected"
	markFrame = "firstFrame" // by requestVideoFrameCallback
)

var marks = []string{markPage, markTURN, markOpen, markHello, markOffer, markICE, markFrame}

// timeline is when each mark came, counted from the visit.
type timeline map[string]time.Duration

func (t timeline) String() string {
	var text strings.Builder
	for _, mark := range marks[:len(marks)-1] {
		if at, is := t[mark]; is {
			fmt.Fprintf(&text, "%s %d  ", mark, at.Milliseconds())
		}
	}
	return text.String()
}

// desktopMarks finds the desktop's page, which may be in a frame of another one.
const desktopMarks = `(function find(page) {
	try {
		if (page.desktop && page.desktop.marks) return page.desktop.marks;
		for (let i = 0; i < page.frames.length; i++) {
			const found = find(page.frames[i]);
			if (found) return found;
		}
	} catch { /* a frame that is just being replaced */ }
	return null;
})(window)`

// look opens an address in a new browser and stays until the desktop's picture is there.
func look(ctx context.Context, address string) (timeline, error) {
	browser, err := harness.OpenBrowser(ctx)
	if err != nil {
		return nil, err
	}
	defer browser.Close()
	began := time.Now()
	if err := chromedp.Run(browser.Ctx, chromedp.Navigate(address)); err != nil {
		return nil, fmt.Errorf("opening the page: %w", err)
	}
	if err := browser.Until(ctx, "("+desktopMarks+" || {})."+markFrame+" > 0"); err != nil {
		return nil, err
	}
	var seen map[string]float64
	if err := chromedp.Run(browser.Ctx, chromedp.Evaluate(desktopMarks, &seen)); err != nil {
		return nil, fmt.Errorf("reading the page's marks: %w", err)
	}
	took := timeline{}
	for _, mark := range marks {
		if at, is := seen[mark]; is {
			took[mark] = time.UnixMicro(int64(at * 1000)).Sub(began)
		}
	}
	return took, nil
}
