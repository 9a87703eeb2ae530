//go:build browser

// Package portal tries the portal's pages in a real Chromium.
package portal

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-logr/logr/testr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/portal/pages"
	"github.com/org/vdi-operator/test/harness"
)

const (
	// patience is how long a browser may take for anything on a slow machine.
	patience = 4 * time.Minute
	enough   = 20 * time.Second
)

// program is the browser in which each visit has a profile of its own.
var program *harness.Browser

func TestMain(m *testing.M) {
	var err error
	// No icon is loaded from anywhere.
	program, err = harness.OpenBrowser(context.Background(), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "portal:", err)
		os.Exit(1)
	}
	code := m.Run()
	program.Close()
	os.Exit(code)
}

// visit is a person with a browser at the portal's pages.
type visit struct {
	*harness.Browser
	t      *testing.T
	ctx    context.Context
	client client.Client
	url    string

	mu  sync.Mutex
	who access.Person
}

// newVisit is one beside those of the other tests.
func newVisit(t *testing.T) *visit {
	t.Helper()
	t.Parallel()
	scheme := runtime.NewScheme()
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	v := &visit{t: t, client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(everything(time.Now())...).Build(),
		who: access.Person{User: ada}}
	c := config.Default()
	c.URL.Domain = "vdi.example.com"
	c.Portal = &config.Portal{Host: "127.0.0.1", SessionsNamespace: namespace, MaxSessionsPerUser: 6}
	server := httptest.NewServer(pages.New(pages.Options{Client: v.client, Config: c, Log: testr.New(t),
		Visitor: func(*http.Request) (pages.Visitor, bool) {
			v.mu.Lock()
			defer v.mu.Unlock()
			return pages.Visitor{Person: v.who, CSRF: "token"}, v.who.User != ""
		}}))
	t.Cleanup(server.Close)
	v.url = server.URL
	var cancel context.CancelFunc
	v.ctx, cancel = context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	var err error
	v.Browser, err = program.Profile(v.ctx)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	v.run(emulation.SetFocusEmulationEnabled(true)) // a headless tab has no focus of its own
	return v
}

func (v *visit) run(actions ...chromedp.Action) {
	v.t.Helper()
	require.NoError(v.t, chromedp.Run(v.Ctx, actions...))
}

func (v *visit) open(path string) {
	v.t.Helper()
	v.run(chromedp.Navigate(v.url + path))
}

func (v *visit) as(who access.Person) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.who = who
}

func (v *visit) until(expression string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, enough)
	defer cancel()
	if err := v.Until(ctx, expression); err != nil {
		v.t.Fatalf("%v: %s", err, v.Describe())
	}
}

func (v *visit) text(expression string) (s string) {
	v.t.Helper()
	v.run(chromedp.Evaluate(expression, &s))
	return s
}

func (v *visit) desk(name string) *v1alpha1.VDISession {
	v.t.Helper()
	s := &v1alpha1.VDISession{}
	require.NoError(v.t, v.client.Get(v.ctx, client.ObjectKey{Namespace: namespace, Name: name}, s))
	return s
}

// tab presses the key until something has the focus, and says what had it on the way.
func (v *visit) tab(id string) {
	v.t.Helper()
	for range 60 {
		v.run(chromedp.KeyEvent(kb.Tab))
		outline := v.text(`getComputedStyle(document.activeElement).outlineStyle`)
		require.NotEqual(v.t, "none", outline, "the focus is seen: %s", v.text(`document.activeElement.outerHTML`))
		if v.text(`document.activeElement.id`) == id {
			return
		}
	}
	v.t.Fatalf("the key never comes to %s: %s", id, v.Describe())
}

// looks are the ways in which a person may look at a page.
var looks = []struct {
	name          string
	width, height int64
	scheme        string
}{{"light", 1280, 860, "light"}, {"dark", 1280, 860, "dark"}, {"phone", 390, 844, "light"}, {"phone-dark", 390, 844, "dark"}}

// shown are the pages, by the names of their pictures.
var shown = []struct {
	name, path, language string
	who                  access.Person
	prepare              chromedp.Action
}{
	{name: "1-desktops", path: "/"},
	{name: "2-desktops-de", path: "/", language: "de"},
	{name: "3-nothing-yet", path: "/", who: access.Person{User: "new@example.com"}},
	{name: "4-templates", path: "/templates"},
	{name: "5-desktop", path: "/sessions/desks/workstation-x7k2p?done=created"},
	{name: "6-blocked", path: "/sessions/desks/cad-9qd4t"},
	{name: "7-link", path: "/sessions/desks/workstation-x7k2p", prepare: chromedp.Tasks{
		chromedp.SetValue("#uses", "3"), chromedp.Click(`form[aria-labelledby="link-title"] button`), chromedp.WaitVisible("#made")}},
	{name: "8-wrong", path: "/sessions/desks/workstation-x7k2p", prepare: chromedp.Tasks{
		chromedp.SetValue("#user", ada), chromedp.Click(`form[aria-labelledby="person-title"] button`), chromedp.WaitVisible("#user-bad")}},
	{name: "9-delete", path: "/sessions/desks/workstation-x7k2p/delete"},
	{name: "a-admin", path: "/admin", who: access.Person{User: "root@example.com", Admin: true}},
	{name: "b-admin-wrong", path: "/admin?state=drunk&user=bob", who: access.Person{User: "root@example.com", Admin: true}},
	{name: "c-not-found", path: "/sessions/desks/none"},
	{name: "d-viewer", path: "/sessions/desks/workstation-x7k2p", who: access.Person{User: bob}},
}

// TestPagesAreForEverybody judges each page by axe-core, in light and dark, wide and on a phone.
// VDI_PICTURES=folder takes a picture of each for a person to look at.
func TestPagesAreForEverybody(t *testing.T) {
	t.Parallel()
	for _, look := range looks {
		t.Run(look.name, func(t *testing.T) {
			v := newVisit(t)
			for _, page := range shown {
				who := page.who
				if who.User == "" {
					who = access.Person{User: ada}
				}
				v.as(who)
				language := page.language
				if language == "" {
					language = "en"
				}
				v.run(network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": language}), chromedp.EmulateViewport(look.width, look.height),
					emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme},
						{Name: "prefers-reduced-motion", Value: "reduce"}}))
				v.open(page.path)
				if page.prepare != nil {
					v.run(page.prepare)
				}
				v.judge(page.name)
				v.take(look.name + "-" + page.name)
			}
		})
	}
}

// judge finds nothing wrong with the page.
func (v *visit) judge(name string) {
	v.t.Helper()
	wrong, err := v.Axe()
	require.NoError(v.t, err)
	assert.Empty(v.t, wrong, name)
	var over bool
	v.run(chromedp.Evaluate(`document.documentElement.scrollWidth > innerWidth`, &over))
	assert.False(v.t, over, "%s is wider than the window", name)
}

// take takes a picture of the whole page.
func (v *visit) take(name string) {
	v.t.Helper()
	out := os.Getenv("VDI_PICTURES")
	if out == "" {
		return
	}
	var png []byte
	v.run(chromedp.Sleep(300*time.Millisecond), chromedp.FullScreenshot(&png, 100))
	require.NoError(v.t, os.WriteFile(filepath.Join(out, name+".png"), png, 0o644))
}

func TestAKeyboardIsEnough(t *testing.T) {
	v := newVisit(t)
	v.open("/")
	v.run(chromedp.KeyEvent(kb.Tab))
	assert.Equal(t, "skip", v.text(`document.activeElement.className`), "first the way past the navigation")
	v.run(chromedp.KeyEvent(kb.Enter))
	v.until(`document.activeElement.id === "content"`)
	v.tab("wake-desks--office-m4wzb")
	v.run(chromedp.KeyEvent(kb.Enter))
	v.until(`location.search === "?done=woken" && document.querySelector(".notice").textContent === "The desktop wakes."`)
	v.open("/sessions/desks/office-m4wzb")
	v.tab("user")
	v.run(chromedp.KeyEvent("cleo@example.com"), chromedp.KeyEvent(kb.Enter))
	v.until(`location.search === "?done=shared" && document.getElementById("shares").textContent.includes("cleo@example.com")`)
	share := v.desk("office-m4wzb").Spec.Shares[0]
	assert.Equal(t, v1alpha1.ShareViewer, share.Role)
	v.tab("end-" + share.Name)
	v.run(chromedp.KeyEvent(" "))
	v.until(`location.search === "?done=ended"`)
	assert.Empty(t, v.desk("office-m4wzb").Spec.Shares)
}

func TestAPageIsKeptUpToDateAndTheFocusStays(t *testing.T) {
	v := newVisit(t)
	v.open("/")
	v.tab("details-desks--office-m4wzb")
	s := v.desk("office-m4wzb")
	awake(s, time.Now())
	require.NoError(t, v.client.Update(v.ctx, s))
	v.until(`document.querySelector("#card-desks--office-m4wzb .state").textContent === "Awake"`)
	assert.Equal(t, "details-desks--office-m4wzb", v.text(`document.activeElement.id`))
	assert.Equal(t, "office-m4wzb: Awake", v.text(`document.getElementById("said").textContent`), "those who do not see it hear it")
	require.NoError(t, v.client.Delete(v.ctx, s))
	v.until(`!document.getElementById("card-desks--office-m4wzb")`)

	v.open("/sessions/desks/workstation-x7k2p")
	v.run(chromedp.SendKeys("#user", "zo"))
	s = v.desk("workstation-x7k2p")
	s.Status.StartTime, s.Status.ReadyTime = nil, nil
	require.NoError(t, v.client.Update(v.ctx, s))
	v.until(`document.querySelector(".state").textContent === "Asleep"`)
	assert.Equal(t, "zo", v.text(`document.getElementById("user").value`), "nothing typed is lost")
}

func TestEverythingWorksWithoutScript(t *testing.T) {
	v := newVisit(t)
	v.run(emulation.SetScriptExecutionDisabled(true))
	v.open("/templates")
	v.run(chromedp.Click(`form[action="/sessions"] button`, chromedp.NodeReady))
	eventually.True(t, "a desktop is made", func() bool {
		var list v1alpha1.VDISessionList
		require.NoError(t, v.client.List(v.ctx, &list, client.InNamespace(namespace)))
		for _, s := range list.Items {
			if s.Spec.User == ada && s.Spec.Template == "blender" {
				return true
			}
		}
		return false
	})
	v.until(`location.search === "?done=created"`)
	v.open("/sessions/desks/workstation-x7k2p/delete")
	v.run(chromedp.Click(`form[action$="/delete"] button`, chromedp.NodeReady))
	eventually.True(t, "it is deleted", func() bool {
		return v.client.Get(v.ctx, client.ObjectKey{Namespace: namespace, Name: "workstation-x7k2p"}, &v1alpha1.VDISession{}) != nil
	})
	v.until(`location.search === "?done=deleted"`)
	v.open("/templates")
	v.take("light-e-no-script")
}
