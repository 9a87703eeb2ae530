package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/org/vdi-operator/pkg/eventually"
)

const (
	// chromium is where Debian's package puts it.
	chromium = "/usr/bin/chromium"
	// startWithin is for a machine that starts desktops and other browsers meanwhile.
	startWithin = 2 * time.Minute
	// The window.
	width, height = 1280, 800
)

// installing keeps stories that run side by side from installing twice.
var installing sync.Mutex

// Browser is a headless Chromium with a new, empty profile.
type Browser struct {
	// Ctx is for chromedp's actions; one tab.
	Ctx context.Context
	end []func()
}

// OpenBrowser starts Debian's Chromium and installs it first where it is missing.
func OpenBrowser(ctx context.Context, more ...chromedp.ExecAllocatorOption) (*Browser, error) {
	if err := installChromium(ctx); err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "vdi-browser-")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium),
		chromedp.WSURLReadTimeout(startWithin),
		chromedp.NoSandbox, // it runs as root in a machine made for tests
		chromedp.UserDataDir(profile),
		chromedp.WindowSize(width, height),
		// Nothing but the session's address is asked for.
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		// What each window would load for its address bar takes as long as the window itself. The
		// others are the library's.
		chromedp.Flag("disable-features", "site-per-process,Translate,BlinkGenPropertyTrees,WebUIOmniboxPopup,WebUIOmniboxAimPopup"),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
	)
	options = append(options, more...)
	// What it shows can still be told when the time of a story has run out.
	outliving, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(2*describeWithin, end) })
	allocator, endAllocator := chromedp.NewExecAllocator(outliving, options...)
	// Messages that the library is too old to know would only confuse.
	tab, endTab := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	b := &Browser{Ctx: tab, end: []func(){endTab, endAllocator, end, func() { _ = os.RemoveAll(profile) }}}
	if err := chromedp.Run(tab); err != nil {
		b.Close()
		return nil, fmt.Errorf("starting Chromium: %w", err)
	}
	return b, nil
}

// Profile is another person's tab in the same program, with a new, empty profile. It can still
// tell what it shows when ctx has just ended.
func (b *Browser) Profile(ctx context.Context) (*Browser, error) {
	program := cdp.WithExecutor(b.Ctx, chromedp.FromContext(b.Ctx).Browser)
	profile, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(program)
	if err != nil {
		return nil, fmt.Errorf("making a profile: %w", err)
	}
	// Its first tab needs a window.
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).
		WithNewWindow(true).WithWidth(width).WithHeight(height).Do(program)
	if err != nil {
		return nil, fmt.Errorf("opening a profile's window: %w", err)
	}
	tab, endTab := chromedp.NewContext(b.Ctx, chromedp.WithTargetID(id))
	context.AfterFunc(ctx, func() { time.AfterFunc(2*describeWithin, endTab) })
	other := &Browser{Ctx: tab, end: []func(){endTab, func() { _ = target.DisposeBrowserContext(profile).Do(program) }}}
	if err := chromedp.Run(tab); err != nil {
		other.Close()
		return nil, fmt.Errorf("opening a profile's tab: %w", err)
	}
	chromedp.FromContext(tab).BrowserContextID = profile // of the tabs that are opened from it
	return other, nil
}

// Until waits until a JavaScript expression is true in the page, whatever pages come
// and go meanwhile.
func (b *Browser) Until(ctx context.Context, expression string) error {
	asking, end := context.WithCancel(b.Ctx)
	defer end()
	defer context.AfterFunc(ctx, end)()
	return eventually.Wait(ctx, "the page to show "+expression, func() error {
		var is bool
		// A page that is just being left answers with an error.
		if err := chromedp.Run(asking, chromedp.Evaluate("!!("+expression+")", &is)); err != nil {
			return err
		}
		if !is {
			return errors.New("it does not yet")
		}
		return nil
	})
}

// Describe tells what the page and the frame in it show, for the report of a failure.
func (b *Browser) Describe() string {
	const describe = `(() => {
	const frame = document.getElementById("frame");
	let inside = "none";
	try {
		const its = frame?.contentDocument;
		if (frame) inside = its ? its.URL + " " + JSON.stringify(frames[0].desktop?.marks) + ": " + its.body?.innerText : "not this page's to read: another origin's, or the browser's own error page";
	} catch (error) { inside = String(error); }
	return location + " class:" + document.body.className + " state:" + document.body.dataset.state + " focus:" + document.activeElement?.id + " " + document.hasFocus() +
		" loaded:" + performance.getEntriesByType("resource").map(e => e.name + "=" + e.responseStatus) + " " + document.title + ": " + document.body.innerText + "; its frame: " + inside;
})()`
	ctx, cancel := context.WithTimeout(b.Ctx, describeWithin)
	defer cancel()
	var page string
	if err := chromedp.Run(ctx, chromedp.Evaluate(describe, &page)); err != nil {
		return "the page does not answer: " + err.Error()
	}
	return "the page is " + page
}

// What the demo desktop's page shows, which is in the frame of the page around it.
const (
	FirstFrameShown = `frames[0]?.desktop && frames[0].desktop.marks.firstFrame > 0`
	FramesShown     = `frames[0].document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames`
	DesktopMarks    = `frames[0].desktop.marks`
)

// What the page around the desktop shows.
const (
	DesktopShown = `document.body.classList.contains("shown")`
	AsleepShown  = `document.body.dataset.state === "asleep"`
	WarningShown = `!document.getElementById("warning").hidden`
	WakeButton   = `#again`
	StayButton   = `#stay`
)

// Opened is the tab that a page of this browser has opened by itself.
func (b *Browser) Opened() (*Browser, error) {
	targets, err := chromedp.Targets(b.Ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		if t.Type == "page" && t.TargetID != chromedp.FromContext(b.Ctx).Target.TargetID {
			tab, end := chromedp.NewContext(b.Ctx, chromedp.WithTargetID(t.TargetID))
			b.end = append([]func(){end}, b.end...)
			// What is run first keeps the tab attached for as long as its context.
			return &Browser{Ctx: tab}, chromedp.Run(tab)
		}
	}
	return nil, errors.New("there is none yet")
}

// Close ends the browser, or what was opened in it, and removes the profile. It may be called again.
func (b *Browser) Close() {
	for _, end := range b.end {
		end()
	}
}

func installChromium(ctx context.Context) error {
	installing.Lock()
	defer installing.Unlock()
	if _, err := os.Stat(chromium); err == nil {
		return nil
	}
	for _, args := range [][]string{{"update", "-qq"}, {"install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("installing Debian's chromium: apt-get %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}
