package page

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/activator/closing"
)

func expectPage(t *testing.T, w *httptest.ResponseRecorder, status int) string {
	t.Helper()
	assert.Equal(t, status, w.Code, "status")
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		assert.Equal(t, want, w.Header().Get(name), name)
	}
	policy := w.Header().Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'")
	require.NotContains(t, policy, "unsafe")
	assert.NotContains(t, policy, "http", "Content-Security-Policy")
	body := w.Body.String()
	for _, part := range []string{" style=", " onclick=", "<style", "javascript:"} {
		assert.NotContains(t, body, part, "the page holds, which its own policy forbids")
	}
	return body
}

func TestEachRefusalIsAPageWithItsStatus(t *testing.T) {
	for _, m := range []*closing.Refusal{closing.UnknownHost, closing.NoToken, closing.BadToken, closing.ExpiredToken, closing.ForeignToken,
		closing.ForeignOrigin, closing.PoweredOff, closing.BrokenOff} {
		w := httptest.NewRecorder()
		WriteRefusal(w, m)
		body := expectPage(t, w, m.Status)
		if !strings.Contains(body, "<h1>"+m.Title+"</h1>") || !strings.Contains(body, m.Text) || m.Title == "" || m.Text == "" {
			t.Errorf("the page does not say %q, %q:\n%s", m.Title, m.Text, body)
		}
	}
}

func waitingPage(t *testing.T, status Status, at string) *httptest.ResponseRecorder {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	WritePage(w, Page{Name: "desk", Address: u, Status: status})
	return w
}

func TestThePageWorksForEverybody(t *testing.T) {
	w := waitingPage(t, Status{State: StateWaiting, Summary: `pulling <script>alert("x")</script>`, Detail: "slowly"}, "/desk?x=1&y=%20")
	body := expectPage(t, w, http.StatusAccepted)
	for what, part := range map[string]string{
		"a language": `lang="en"`,
		"a refresh without script that wakes nobody": `<noscript><meta http-equiv="refresh" content="2; url=/desk?x=1&amp;y=%20&amp;vdi_refresh=1"></noscript>`,
		"a word on it":                                  "This page refreshes itself every two seconds.",
		"a progress bar with a name":                    `role="progressbar" aria-labelledby="title"`,
		"a list with a name":                            `aria-label="Steps of the start"`,
		"a message that is announced":                   `role="status"`,
		"the message as text":                           "pulling &lt;script&gt;",
		"the script's data, of which nothing is markup": `data-shell="{`,
		"a frame with a name":                           `title="Desktop"`,
		"what the desktop may use":                      `clipboard-read; clipboard-write`,
	} {
		assert.Contains(t, body, part, "the page lacks %s", what)
	}
	assert.Equal(t, "2", w.Header().Get("Retry-After"), "Retry-After")
}

func TestAPageWithoutScriptDoesNotTryAFailedStartAgainByItself(t *testing.T) {
	for state, action := range map[State]string{StateFailed: textTryAgain, StateAsleep: textWake} {
		body := expectPage(t, waitingPage(t, Status{State: state, Summary: "No GPU."}, "/desk?x=1"), http.StatusOK)
		require.NotContains(t, body, "refresh\"", state)
		require.Contains(t, body, `href="/desk?x=1">`+action+"</a>", state)
		assert.Contains(t, body, "No GPU.", "%s: want a link that a person follows and no refresh", state)
	}
	body := expectPage(t, waitingPage(t, Status{State: StateReady}, "/desk"), http.StatusOK)
	require.NotContains(t, body, "refresh\"")
	assert.Contains(t, body, `src="/desk"`, "ready: want the desktop in a frame and no refresh")
}

func TestAPathThatLooksLikeAHostStaysAPath(t *testing.T) {
	body := waitingPage(t, Status{State: StateAsleep}, "///evil.example/").Body.String()
	require.NotContains(t, body, `"//evil`)
	assert.Contains(t, body, `href="/evil.example/"`, "the page leads to another host")
}

func TestWhatAPageLoadsIsServed(t *testing.T) {
	assets := Assets()
	for path, kind := range map[string]string{"shell.js": "text/javascript", "shell.css": "text/css", "base.css": "text/css", "icon.svg": "image/svg+xml"} {
		w := httptest.NewRecorder()
		assets.ServeHTTP(w, httptest.NewRequest(http.MethodGet, AssetsPath+path, nil))
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Body.Len() == 0 {
			t.Errorf("%s: %d %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
	}
	w := httptest.NewRecorder()
	assets.ServeHTTP(w, httptest.NewRequest(http.MethodGet, AssetsPath+"../pages/message.html", nil))
	assert.NotEqual(t, 200, w.Code, "served something that is no asset")
}

func TestThePagesIdsAreThoseOfTheScript(t *testing.T) {
	script, err := fs.ReadFile(files, "assets/shell.js")
	require.NoError(t, err)
	page, err := fs.ReadFile(files, "pages/page.html")
	require.NoError(t, err)
	parts := strings.Split(string(script), `byId("`)
	require.GreaterOrEqual(t, len(parts), 3, "the script looks for nothing")
	for _, p := range parts[1:] {
		id, _, _ := strings.Cut(p, `"`)
		assert.Contains(t, string(page), `id="`+id+`"`, "the script looks for %q, which the page lacks", id)
	}
}

func TestTheScriptSpeaksOnlyWordsOfThisPackage(t *testing.T) {
	script, err := fs.ReadFile(files, "assets/shell.js")
	require.NoError(t, err)
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\btext\.([a-zA-Z]+)`).FindAllStringSubmatch(string(script), -1) {
		used[m[1]] = true
		assert.NotEmpty(t, scriptText[m[1]], "the script says %q, for which there are no words", m[1])
	}
	for name := range scriptText {
		assert.True(t, used[name], "the script never says %q", name)
	}
}

func TestDocumentsAreToldApart(t *testing.T) {
	for name, tc := range map[string]struct {
		method, at, dest, accept string
		kind                     Kind
		told                     bool
	}{
		"a person":                          {"GET", "/", "document", "text/html", Top, true},
		"a person's check":                  {"HEAD", "/", "document", "text/html", Top, true},
		"the frame":                         {"GET", "/", "iframe", "text/html", Frame, true},
		"the frame's address in a tab":      {"GET", "/?vdi_frame=1", "document", "text/html", Top, true},
		"a refresh":                         {"GET", "/?vdi_refresh=1", "document", "text/html", Refresh, true},
		"a script":                          {"GET", "/?vdi_frame=1", "empty", "text/html", NoDocument, true},
		"a picture":                         {"GET", "/", "image", "*/*", NoDocument, true},
		"a form":                            {"POST", "/", "document", "text/html", NoDocument, true},
		"a person on an insecure host":      {"GET", "/?a=b", "", "text/html,*/*", Top, false},
		"the frame on an insecure host":     {"GET", "/?a=b&vdi_frame=1", "", "text/html,*/*", Frame, false},
		"a refresh on an insecure host":     {"GET", "/?vdi_refresh=1", "", "text/html", Refresh, false},
		"a program, or a script over there": {"GET", "/?vdi_frame=1", "", "*/*", NoDocument, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, tc.at, nil)
			r.Header.Set("Accept", tc.accept)
			if tc.dest != "" {
				r.Header.Set("Sec-Fetch-Dest", tc.dest)
			}
			k, told := Document(r)
			require.Equal(t, tc.kind, k)
			assert.Equal(t, tc.told, told)
		})
	}
}

func TestADesktopNeverSeesOurMarkers(t *testing.T) {
	for in, want := range map[string]string{
		"/a?x=%20&vdi_frame=1&y": "/a?x=%20&y", "/?vdi_refresh=1": "/", "/a?vdi_frame": "/a", "/?xvdi_frame=1": "/?xvdi_frame=1", "/?a=vdi_frame": "/?a=vdi_frame",
	} {
		u, err := url.Parse(in)
		require.NoError(t, err)
		assert.Equal(t, want, Unmarked(u).RequestURI(), "%s became", in)
	}
}

func TestADesktopThatForbidsFramesIsShownInOurs(t *testing.T) {
	for name, tc := range map[string]struct{ in, out http.Header }{
		"nothing said":     {http.Header{}, http.Header{}},
		"denied":           {http.Header{"X-Frame-Options": {"DENY"}}, http.Header{"X-Frame-Options": {"SAMEORIGIN"}}},
		"by policy":        {csp("default-src 'self'; frame-ancestors 'none'; img-src *"), csp("default-src 'self'; frame-ancestors 'self'; img-src *")},
		"in capitals":      {csp("Frame-Ancestors 'NONE'"), csp("frame-ancestors 'self'")},
		"another's page":   {csp("frame-ancestors https://portal.example"), csp("frame-ancestors 'self' https://portal.example")},
		"itself already":   {csp("frame-ancestors 'self'"), csp("frame-ancestors 'self'")},
		"two policies":     {csp("img-src *, frame-ancestors 'none'"), csp("img-src *", "frame-ancestors 'self'")},
		"nothing of sorts": {csp("default-src 'none'"), csp("default-src 'none'")},
	} {
		t.Run(name, func(t *testing.T) {
			for how, write := range map[string]func(http.ResponseWriter){
				"with a status": func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
				"without":       func(w http.ResponseWriter) { _, _ = w.Write([]byte("page")) },
			} {
				rec := httptest.NewRecorder()
				w := Framed(rec)
				for k, v := range tc.in {
					w.Header()[k] = v
				}
				write(w)
				for _, k := range []string{"X-Frame-Options", "Content-Security-Policy"} {
					assert.Equal(t, tc.out[k], rec.Header()[k], "%s: %s", how, k)
				}
			}
		})
	}
}

func csp(policies ...string) http.Header { return http.Header{"Content-Security-Policy": policies} }
