//go:build browser

// Package browser tries the page around a desktop in a real Chromium.
package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/gatewaytest"
	ours "github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/test/harness"
)

const (
	enough = 30 * time.Second
	// atItsLoad is a desktop that was shown when its page was there, not when a page has had its time.
	atItsLoad = `((at) => at("vdi-desktop-shown") - at("vdi-frame-asked") < 10000)` +
		`((mark) => performance.getEntriesByName(mark).at(-1).startTime)`
	// patience is how long a browser may take for anything on a slow machine.
	patience = 4 * time.Minute
)

// program is the browser in which each visit has a profile of its own.
var program *harness.Browser

func TestMain(m *testing.M) {
	var err error
	program, err = harness.OpenBrowser(context.Background(), chromedp.Flag("host-resolver-rules", "MAP * 127.0.0.1"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		os.Exit(1)
	}
	code := m.Run()
	program.Close()
	os.Exit(code)
}

// visit is a person with a browser at a whole activator.
type visit struct {
	*gatewaytest.Gateway
	*harness.Browser
	ctx context.Context
	// home is the session's address without a token.
	home string
}

// newVisit is one beside those of the other tests.
func newVisit(t *testing.T, how ...func(*config.Config)) *visit {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	v := &visit{Gateway: gatewaytest.New(t, gatewaytest.Options{Config: gatewaytest.Config(how...)}), ctx: ctx}
	_, port, _ := strings.Cut(strings.TrimPrefix(v.Front.URL, "http://"), ":")
	v.home = "http://" + v.Host + ":" + port
	var err error
	v.Browser, err = program.Profile(ctx)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	v.run(emulation.SetFocusEmulationEnabled(true)) // a headless tab has no focus of its own
	return v
}

func (v *visit) run(actions ...chromedp.Action) {
	v.T.Helper()
	require.NoError(v.T, chromedp.Run(v.Ctx, actions...))
}

// link opens a path by a link, as a person does.
func (v *visit) link(path string) {
	v.T.Helper()
	v.run(chromedp.Navigate(v.home + path + "?vdi_token=" + v.Token(token.AudienceSession, v.Owned, 0)))
}

func (v *visit) until(expression string) {
	v.T.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, enough)
	defer cancel()
	if err := v.Until(ctx, expression); err != nil {
		v.T.Fatalf("%v: %s", err, v.Describe())
	}
}

func (v *visit) text(expression string) string {
	v.T.Helper()
	var s string
	v.run(chromedp.Evaluate(expression, &s))
	return s
}

// page is a desktop's page, which says in its title how often and where it was loaded.
func framed(t *testing.T) *httptest.Server {
	t.Helper()
	var loads atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/favicon.ico" {
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'")
		_, _ = fmt.Fprintf(w, desktopPage, loads.Add(1), r.RequestURI)
	}))
	t.Cleanup(srv.Close)
	return srv
}

const desktopPage = `<!doctype html><title>Load %d of %s</title>
<style>html,body{height:100%%;margin:0}body{background:linear-gradient(160deg,#0f3b57,#1d6a6f 55%%,#e0a458);font:15px system-ui;color:#fff}
.bar{position:fixed;inset:auto 0 0;height:44px;background:rgb(10 20 30/65%%);display:flex;align-items:center;gap:14px;padding:0 16px}
.bar i{width:22px;height:22px;border-radius:6px;background:#7fb7be}.win{position:absolute;left:12%%;top:14%%;width:min(620px,76%%);border-radius:10px;background:#10202c;box-shadow:0 20px 60px rgb(0 0 0/45%%);overflow:hidden}
.win b{display:block;padding:10px 16px;background:#1b3242;font-weight:600}.win pre{margin:0;padding:16px;font:14px/1.6 "DejaVu Sans Mono",monospace;color:#bfe3df}</style>
<div class=win><b>Terminal</b><pre>user@desk:~$ nvidia-smi -L
GPU 0: NVIDIA L4
user@desk:~$ blender scene.blend &amp;
user@desk:~$ _</pre></div><div class=bar><i></i><i></i><i></i><span>Applications</span></div>`

func TestAPersonSeesAColdStartAndThenTheDesktopInItsFrame(t *testing.T) {
	v := newVisit(t)
	v.link("/desk/")
	v.until(`document.body.dataset.state === "waiting" && document.querySelector("[aria-current]")?.dataset.step === "waking"`)
	eventually.Equal(v.T, "woken", 1, v.Woken)
	assert.Equal(t, "Your desktop is starting", v.text(`document.title`), "the title")
	v.Wakes(framed(t))
	v.until(harness.DesktopShown)
	v.until(atItsLoad)
	v.until(`document.title === "Load 1 of /desk/"`)
	v.until(`document.activeElement.id === "frame" && frames[0].document.hasFocus()`)
	if got := v.text(`location.pathname + location.search + " " + frames[0].location.pathname + frames[0].location.search`); got != "/desk/ /desk/" {
		t.Errorf("page and frame are at %q", got)
	}
	eventually.Equal(v.T, "opening it counts as using it", 1, v.Inputs)
	// The stage is out of everybody's way.
	v.until(`document.getElementById("stage").inert && getComputedStyle(document.getElementById("stage")).visibility === "hidden"`)
}

func TestADesktopsPageThatDidNotComeThroughIsAskedForAgain(t *testing.T) {
	v := newVisit(t)
	v.link("/desk/")
	v.until(`document.body.dataset.state === "waiting"`)
	lost := int32(2) // the frame's first document, and what asks whether it was lost
	chromedp.ListenTarget(v.Ctx, func(event any) {
		e, ok := event.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		go func() {
			ctx := cdp.WithExecutor(v.Ctx, chromedp.FromContext(v.Ctx).Target)
			if atomic.AddInt32(&lost, -1) >= 0 {
				_ = fetch.FailRequest(e.RequestID, network.ErrorReasonInternetDisconnected).Do(ctx)
			} else {
				_ = fetch.ContinueRequest(e.RequestID).Do(ctx)
			}
		}()
	})
	v.run(fetch.Enable().WithPatterns([]*fetch.RequestPattern{{URLPattern: v.home + "/desk/*"}}))
	v.Wakes(framed(t))
	v.until(harness.DesktopShown + ` && document.title === "Load 1 of /desk/"`)
}

func TestAPageWhoseScriptDidNotComeThroughOffersToBeLoadedAgain(t *testing.T) {
	v := newVisit(t)
	v.run(network.Enable(), network.SetBlockedURLs([]string{"*/_vdi/assets/shell.js"}))
	v.link("/desk/")
	shown := `getComputedStyle(document.getElementById("stuck")).visibility === "visible"`
	if err := v.Until(v.ctx, shown); err != nil {
		t.Fatalf("%v: %s", err, v.Describe())
	}
	v.run(network.SetBlockedURLs(nil))
	v.Wakes(framed(t))
	v.run(chromedp.Click("#stuck a"))
	v.until(harness.DesktopShown + ` && document.title === "Load 1 of /desk/" && !document.getElementById("stuck")`)
}

func TestADesktopThatLivesAtAnotherOriginIsShownAsItIs(t *testing.T) {
	elsewhere := framed(t)
	var asked atomic.Int32
	redirects := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, elsewhere.URL, http.StatusFound)
	}))
	t.Cleanup(redirects.Close)
	v := newVisit(t)
	v.link("/desk/")
	v.Wakes(redirects)
	v.until(harness.DesktopShown + " && " + atItsLoad)
	time.Sleep(2 * time.Second) // longer than until a lost page is asked for again
	v.until(harness.DesktopShown)
	n := asked.Load()
	assert.False(t, n > 2, "the desktop was asked %d times, want its page and once whether it was lost", n)
}

func TestWhatTheDesktopDoesToItsFrameStaysInTheFrame(t *testing.T) {
	t.Parallel()
	for name, domain := range map[string]string{"a browser that says what it loads": "vdi.localhost", "an insecure host, where it does not": "vdi.test"} {
		t.Run(name, func(t *testing.T) {
			v := newVisit(t, func(c *config.Config) { c.URL.Domain = domain })
			v.Wakes(framed(t))
			v.link("/desk/")
			v.until(`document.title === "Load 1 of /desk/"`)
			v.run(chromedp.Evaluate(`frames[0].location.reload()`, nil))
			v.until(`document.title === "Load 2 of /desk/"`)
			v.run(chromedp.Evaluate(`frames[0].location.replace("/?a=%20")`, nil))
			v.until(`document.title === "Load 3 of /?a=%20"`)
			v.until(`frames.length === 1 && frames[0].frames.length === 0 && location.pathname === "/desk/"`)
		})
	}
}

func TestInputInTheDesktopIsReported(t *testing.T) {
	v := newVisit(t)
	v.Change(func(s *v1alpha1.VDISession) {
		s.Status.Lifecycle = &v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(8 * time.Second)} // reports come four times as often
	})
	v.Wakes(framed(t))
	v.link("/")
	v.until(harness.DesktopShown)
	eventually.Equal(v.T, "the visit is reported", 1, v.Inputs)
	for i, act := range []chromedp.Action{
		chromedp.KeyEvent("a"), chromedp.MouseClickXY(300, 300),
		chromedp.ActionFunc(func(ctx context.Context) error { return chromedp.MouseEvent("mouseMoved", 310, 320).Do(ctx) }),
	} {
		v.run(act)
		eventually.True(v.T, fmt.Sprint("input ", i, " is reported"), func() bool { return v.Inputs() >= i+2 })
	}
	v.run(chromedp.Evaluate(`frames[0].location.reload()`, nil))
	v.until(`document.title === "Load 2 of /"`)
	before := v.Inputs()
	v.run(chromedp.KeyEvent("b"))
	eventually.True(v.T, "input after a navigation is reported", func() bool { return v.Inputs() > before })
	// What a script makes up is no input.
	quiet := v.Inputs()
	v.run(chromedp.Evaluate(`frames[0].dispatchEvent(new KeyboardEvent("keydown", {key: "x"}))`, nil), chromedp.Sleep(3*time.Second))
	if n := v.Inputs(); n > quiet+1 { // one report may have been due
		t.Errorf("%d reports of nothing", n-quiet)
	}
}

// idles makes the idle clock run out in so long.
func (v *visit) idles(in time.Duration) {
	v.Change(func(s *v1alpha1.VDISession) {
		const timeout = 8 * time.Minute
		s.Status.Lifecycle = &v1alpha1.Lifecycle{IdleTimeout: v1alpha1.NewDuration(timeout), DisconnectTimeout: v1alpha1.NewDuration(time.Hour), MaxDuration: v1alpha1.NewDuration(100 * time.Hour)}
		s.Status.StartTime = &metav1.MicroTime{Time: time.Now().Add(-time.Hour)}
		s.Status.Activity = &v1alpha1.SessionActivity{LastInputTime: &metav1.MicroTime{Time: time.Now().Add(in - timeout)}}
	})
}

func TestThePageWarnsAndAPersonStays(t *testing.T) {
	v := newVisit(t)
	v.Wakes(framed(t))
	v.link("/")
	v.until(harness.DesktopShown)
	v.idles(90 * time.Second)
	v.until(harness.WarningShown)
	v.until(`/^It sleeps in 1:[0-5][0-9]$/.test(document.getElementById("countdown").textContent)`)
	v.until(`document.getElementById("warning").getAttribute("role") === "alertdialog" && document.activeElement.id === "stay"`)
	v.run(chromedp.Click(harness.StayButton))
	v.until(`document.getElementById("warning").hidden && document.activeElement.id === "frame"`)

	v.Change(func(s *v1alpha1.VDISession) {
		s.Status.Lifecycle = &v1alpha1.Lifecycle{MaxDuration: v1alpha1.NewDuration(time.Hour + time.Minute)}
	})
	v.until(harness.WarningShown + ` && document.getElementById("stay").textContent === "Understood"`)
	assert.Equal(t, "frame", v.text(`document.activeElement.id`), "a warning that nobody can put off took the focus from the work")
	v.run(chromedp.Click(harness.StayButton))
	v.until(`document.getElementById("warning").hidden`)
}

func TestAfterASleepAPersonWakesItByTheButton(t *testing.T) {
	v := newVisit(t)
	v.Wakes(framed(t))
	v.link("/desk/")
	v.until(harness.DesktopShown)
	v.Sleeps(lifecycle.ReasonIdle, "")
	v.until(harness.AsleepShown + ` && !document.querySelector("iframe") && document.activeElement.id === "again"`)
	before := v.Woken()
	v.run(chromedp.Evaluate(`window.same = true`, nil), chromedp.KeyEvent(kb.Enter))
	v.until(`document.body.dataset.state === "waiting"`)
	eventually.Equal(v.T, "woken", before+1, v.Woken)
	v.Wakes(framed(t))
	v.until(harness.DesktopShown + ` && window.same`) // without loading the page again
	v.until(`document.title === "Load 1 of /desk/"`)
}

func TestAFailedStartSaysWhyAndIsTriedAgainByAPerson(t *testing.T) {
	v := newVisit(t)
	v.link("/")
	eventually.Equal(v.T, "woken", 1, v.Woken)
	v.Sleeps(lifecycle.ReasonStartup, "The desktop did not start within 10m0s. Last seen: no node has a GPU.")
	v.until(`document.body.dataset.state === "failed" && document.getElementById("detail").textContent.includes("no node has a GPU")`)
	v.run(chromedp.Click(harness.WakeButton))
	eventually.Equal(v.T, "woken again", 2, v.Woken)
}

func TestTheClientLoadsBeforeTheDesktopIsThere(t *testing.T) {
	v := newVisit(t)
	desktop := framed(t)
	v.Wakes(desktop)
	v.link("/")
	v.until(harness.DesktopShown)
	v.DropPod()
	v.Sleeps(lifecycle.ReasonIdle, "")
	v.until(harness.AsleepShown)
	v.run(chromedp.Click(harness.WakeButton))
	v.until(`document.body.dataset.state === "waiting" && frames[0]?.document.querySelector(".win")`)
	v.until(`document.getElementById("frame").inert && !document.body.classList.contains("shown")`) // unseen as yet
	v.run(chromedp.Evaluate(`frames[0].same = true`, nil))
	v.Wakes(desktop)
	v.until(harness.DesktopShown + ` && frames[0].same`)

	// Another image's client is loaded anew.
	v.DropPod()
	v.Sleeps(lifecycle.ReasonIdle, "")
	v.until(harness.AsleepShown)
	v.run(chromedp.Click(harness.WakeButton))
	v.until(`document.body.dataset.state === "waiting" && frames[0]?.document.querySelector(".win")`)
	v.run(chromedp.Evaluate(`frames[0].same = true`, nil))
	v.Image = "desktop@sha256:bbbb"
	v.Wakes(desktop)
	v.until(harness.DesktopShown + ` && !frames[0].same`)
}

func TestThePageWorksWhereItsStreamIsRefused(t *testing.T) {
	v := newVisit(t, func(c *config.Config) { c.Limits.PagesPerSession = 1 })
	ctx, end := context.WithCancel(v.ctx)
	defer end()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.Front.URL+ours.EventsPath+"?at=/", nil)
	require.NoError(t, err)
	req.Host, req.Header = v.Host, v.As(http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Site": {"same-origin"}})
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusOK, resp.StatusCode, "the stream answered %s", resp.Status)
	v.link("/")
	v.until(`document.body.dataset.state === "waiting"`)
	v.Wakes(framed(t))
	v.until(harness.DesktopShown)
}

func TestThePageWorksWithoutScript(t *testing.T) {
	v := newVisit(t)
	v.run(emulation.SetScriptExecutionDisabled(true))
	v.link("/desk/")
	eventually.Equal(v.T, "woken", 1, v.Woken)
	v.Wakes(framed(t))
	var at string
	eventually.True(v.T, "the desktop is in a frame", func() bool {
		_ = chromedp.Run(v.Ctx, chromedp.AttributeValue("#frame", "src", &at, nil, chromedp.AtLeast(0)))
		return at == "/desk/"
	})
}

// restful is a page on which nothing moves but what shows how far a start is.
const restful = `document.getAnimations().every((a) => a.playState === "finished" || a.transitionProperty === "width" || ` +
	`a.effect.getComputedTiming().endTime === Infinity)`

// TestThePageIsForEverybody judges each state by axe-core, in light and dark, wide and on a phone.
// VDI_PICTURES=folder takes a picture of each for a person to look at.
func TestThePageIsForEverybody(t *testing.T) {
	t.Parallel()
	out := os.Getenv("VDI_PICTURES")
	for _, look := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"light", 1280, 800, "light"}, {"dark", 1280, 800, "dark"}, {"phone", 390, 844, "light"}, {"phone-dark", 390, 844, "dark"}} {
		t.Run(look.name, func(t *testing.T) {
			v := newVisit(t, gatewaytest.WithPortal)
			v.run(chromedp.EmulateViewport(look.width, look.height), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}))
			take := func(name string) {
				t.Helper()
				v.until(restful) // what fades is there, or gone: a colour on its way has no contrast
				wrong, err := v.Axe()
				require.NoError(t, err)
				assert.Empty(t, wrong, name)
				if out == "" {
					return
				}
				var png []byte
				v.run(chromedp.CaptureScreenshot(&png))
				require.NoError(t, os.WriteFile(filepath.Join(out, look.name+"-"+name+".png"), png, 0o644))
			}
			v.Change(func(s *v1alpha1.VDISession) { s.Status.LastStartDuration = &metav1.Duration{Duration: 8 * time.Second} })
			v.link("/")
			v.until(`document.body.dataset.state === "waiting"`)
			take("1-waking")
			v.Change(func(s *v1alpha1.VDISession) {
				s.Status.StartTime = &metav1.MicroTime{Time: time.Now().Add(-42 * time.Second)}
				detail := "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
				s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: v1alpha1.ReasonWaitingForGPU, Message: "Waiting for a GPU: " + detail}}
				s.Status.Waiting = &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaitingForGPU, Resource: "nvidia.com/gpu", Detail: detail}
			})
			v.Pod(func(*corev1.Pod) {})
			v.until(`document.getElementById("summary").textContent.includes("GPU")`)
			take("2-gpu")
			v.Change(func(s *v1alpha1.VDISession) {
				s.Status.StartTime = &metav1.MicroTime{Time: time.Now().Add(-5 * time.Second)}
			})
			v.Pod(func(p *corev1.Pod) { p.Spec.NodeName = "n" })
			v.until(`document.querySelector("[aria-current]")?.dataset.step === "image"`)
			take("3-image")
			for name, waiting := range map[string]*v1alpha1.SessionWaiting{
				"3-no-image": {Reason: v1alpha1.ReasonImagePullFailed, Image: "ghcr.io/example/desktop:1", Detail: "ErrImagePull: not found"},
				"3-lost":     {Reason: v1alpha1.ReasonNodeLost, Detail: "pod alice-1 on node n", Until: &metav1.Time{Time: time.Now().Add(time.Minute)}},
			} {
				v.Change(func(s *v1alpha1.VDISession) {
					s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: waiting.Reason, Message: waiting.Detail}}
					s.Status.Waiting = waiting
				})
				v.until(`/cannot be pulled|node is lost/.test(document.getElementById("summary").textContent)`)
				take(name)
			}
			v.Wakes(framed(t))
			v.until(harness.DesktopShown)
			take("4-desktop")
			v.run(chromedp.Click("#menu summary"))
			take("4-menu")
			v.run(chromedp.Click("#menu summary"))
			v.Speaks(v1alpha1.ProtocolSelkies1)
			for _, name := range []string{strings.Repeat("1", 32), ""} {
				if err := v.WriteViewer(v.ctx, gatewaytest.Alice, &v1alpha1.SessionViewer{Page: name, Since: metav1.MicroTime{Time: time.Now()}}, ""); err != nil {
					t.Fatal(err)
				}
				if name != "" {
					v.until(elsewhereShown)
					take("9-elsewhere")
				}
			}
			v.until(harness.DesktopShown)
			v.idles(90 * time.Second)
			v.until(harness.WarningShown)
			take("5-warning")
			v.Sleeps(lifecycle.ReasonIdle, "")
			v.until(harness.AsleepShown)
			take("6-asleep")
			v.Sleeps(lifecycle.ReasonStartup, "The desktop did not start within 10m0s. Last seen: The desktop's image cannot be pulled (ImagePullBackOff): Back-off pulling image \"ghcr.io/example/desktop:1\". Visit it to try again.")
			v.until(`document.body.dataset.state === "failed"`)
			take("7-failed")
			v.run(chromedp.Navigate(v.home + "/?vdi_token=none"))
			take("8-refused")
		})
	}
}
