// Package look has a new Chromium open a desktop's page, and reads when the picture came.
package look

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
	Page  = "opened"
	TURN  = "turn"
	Open  = "wsOpen"
	Hello = "hello"
	Offer = "offer"
	ICE   = "iceConnected"
	Frame = "firstFrame" // by requestVideoFrameCallback
)

// Marks are all of them.
var Marks = []string{Page, TURN, Open, Hello, Offer, ICE, Frame}

// Timeline is when each mark came, counted from the visit.
type Timeline map[string]time.Duration

func (t Timeline) String() string {
	var text strings.Builder
	for _, mark := range Marks[:len(Marks)-1] {
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

// At opens an address in a new browser and stays until the desktop's picture is there.
func At(ctx context.Context, address string) (Timeline, error) {
	browser, err := harness.OpenBrowser(ctx)
	if err != nil {
		return nil, err
	}
	defer browser.Close()
	began := time.Now()
	if err := chromedp.Run(browser.Ctx, chromedp.Navigate(address)); err != nil {
		return nil, fmt.Errorf("opening the page: %w", err)
	}
	if err := browser.Until(ctx, "("+desktopMarks+" || {})."+Frame+" > 0"); err != nil {
		return nil, err
	}
	var seen map[string]float64
	if err := chromedp.Run(browser.Ctx, chromedp.Evaluate(desktopMarks, &seen)); err != nil {
		return nil, fmt.Errorf("reading the page's marks: %w", err)
	}
	took := Timeline{}
	for _, mark := range Marks {
		if at, is := seen[mark]; is {
			took[mark] = time.UnixMicro(int64(at * 1000)).Sub(began)
		}
	}
	return took, nil
}
