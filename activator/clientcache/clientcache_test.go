package clientcache

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	image     = "ghcr.io/example/desktop:1"
	runs      = "ghcr.io/example/desktop@sha256:aaaa"
	otherRuns = "ghcr.io/example/desktop@sha256:bbbb"
)

func newCache(bytes int64) *Cache {
	return New(bytes, auth.NewFilter(config.Passed{Headers: []string{"Authorization"}}), metrics.NewActivator(prometheus.NewRegistry()))
}

// view is a session whose pod runs an image; without a pod where the image is empty.
func view(name, asks, id string) directory.View {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: name, UID: types.UID(name)}}
	if asks == "" {
		return directory.View{Session: s}
	}
	return directory.View{Session: s, Pod: &directory.Pod{UID: types.UID(name + id), IP: "10.0.0.1", Image: asks, ImageID: id}}
}

type wire struct {
	net.Conn
	to string
}

func (w wire) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(w.to), Port: 8080} }

func get(path string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// visit is a request that the desktop answers.
func (c *Cache) visit(v directory.View, r *http.Request, status int, body string, header ...string) {
	c.Observe(v)
	w := httptest.NewRecorder()
	rec := c.Record(w, r, v, wire{to: "10.0.0.1"})
	defer rec.End()
	rec.Header().Set("Content-Type", "text/html")
	for i := 0; i < len(header); i += 2 {
		rec.Header().Set(header[i], header[i+1])
	}
	rec.WriteHeader(status)
	_, _ = io.WriteString(rec, body)
	rec.Commit()
}

func expectServed(t *testing.T, c *Cache, v directory.View, r *http.Request, want string) {
	t.Helper()
	w := httptest.NewRecorder()
	if !c.Serve(w, r, v) {
		t.Errorf("%s was not served", r.URL)
	} else if w.Body.String() != want {
		t.Errorf("%s: served %q, want %q", r.URL, w.Body, want)
	}
}

func expectNotServed(t *testing.T, c *Cache, v directory.View, r *http.Request) {
	t.Helper()
	w := httptest.NewRecorder()
	if c.Serve(w, r, v) || w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("%s was served: %q", r.URL, w.Body)
	}
}

func TestAClientIsServedWhileItsDesktopStarts(t *testing.T) {
	c := newCache(1 << 20)
	c.visit(view("alice", image, runs), get("/app.js"), 200, "the client", "Content-Type", "text/javascript", "Etag", `"1"`, "Cache-Control", "max-age=3600", "Server", "desktop")
	asleep := view("alice", "", "")
	w := httptest.NewRecorder()
	if !c.Serve(w, get("/app.js"), asleep) || w.Body.String() != "the client" || w.Header().Get("Content-Type") != "text/javascript" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	require.Equal(t, "no-cache", w.Header().Get("Cache-Control"))
	assert.Empty(t, w.Header().Get("Server"),
		"header = %v: want one that is asked for again, and only what is known to be harmless", w.Header())
	w = httptest.NewRecorder()
	require.True(t, c.Serve(w, get("/app.js", "If-None-Match", `"1"`), asleep))
	assert.Equal(t, http.StatusNotModified, w.Code, "a browser that has it already")
	expectServed(t, c, view("alice", image, ""), get("/app.js"), "the client") // the pod is there, its container not yet
	expectNotServed(t, c, asleep, get("/app.js", "Cache-Control", "no-cache"))
	assert.EqualValues(t, 3, testutil.ToFloat64(c.metrics.CacheServed.WithLabelValues(metrics.CacheHit)), "hits counted")
}

func TestFontsAreKeptWhateverTheirServerTakesThemFor(t *testing.T) {
	for name, tc := range map[string]struct {
		path, kind, body string
		kept             bool
	}{
		"by its name":            {"/fonts/MaterialIcons.woff2", "application/octet-stream", "wOF2...", true},
		"by its name, untyped":   {"/roboto.TTF?v=2", "", "whatever", true},
		"by what it begins with": {"/font/4711", "application/octet-stream", "wOF2...", true},
		"another one's magic":    {"/font/4712", "binary/octet-stream", "OTTO...", true},
		"a download":             {"/files/report", "application/octet-stream", "%PDF-1.7", false},
		"nothing":                {"/files/empty", "application/octet-stream", "", false},
		"a page by that name":    {"/a.woff2", "application/x-thing", "wOF2", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(1 << 20)
			c.visit(view("alice", image, runs), get(tc.path), 200, tc.body, "Content-Type", tc.kind)
			if tc.kept {
				expectServed(t, c, view("alice", "", ""), get(tc.path), tc.body)
			} else {
				expectNotServed(t, c, view("alice", "", ""), get(tc.path))
			}
			assert.EqualValues(t, 0, c.recording.Load(), "bytes are still lent")
		})
	}
}

func TestNobodyIsServedWhatAnotherSessionsDesktopServed(t *testing.T) {
	c := newCache(1 << 20)
	c.visit(view("mallory", image, runs), get("/"), 200, "poison")
	expectNotServed(t, c, view("alice", image, runs), get("/"))
	again := view("mallory", "", "")
	again.Session.UID = "made again for another person"
	expectNotServed(t, c, again, get("/"))
	assert.False(t, testutil.ToFloat64(c.metrics.CacheBytes) != 0 && len(c.sessions) != 0, "the deleted session's client is still kept")
}

func TestOnlyWhatIsTheSameForEverybodyIsKept(t *testing.T) {
	for name, tc := range map[string]struct {
		request *http.Request
		status  int
		header  []string
		kept    bool
	}{
		"a page":                         {get("/"), 200, nil, true},
		"a page with a query":            {get("/?v=1"), 200, nil, true},
		"with our cookie":                {get("/", "Cookie", "vdi-session=x"), 200, nil, true},
		"by encoding":                    {get("/"), 200, []string{"Vary", "Accept-Encoding"}, true},
		"by what loads it":               {get("/"), 200, []string{"Vary", "Accept-Encoding, Sec-Fetch-Dest"}, true},
		"a manifest":                     {get("/manifest.json"), 200, []string{"Content-Type", "application/json"}, true},
		"a type with a character set":    {get("/"), 200, []string{"Content-Type", "text/html; charset=utf-8"}, true},
		"other JSON":                     {get("/api/state"), 200, []string{"Content-Type", "application/json"}, false},
		"a stream":                       {get("/"), 200, []string{"Content-Type", "text/event-stream"}, false},
		"no type":                        {get("/"), 200, []string{"Content-Type", ""}, false},
		"a redirect":                     {get("/"), 302, nil, false},
		"a part":                         {get("/"), 206, nil, false},
		"an error":                       {get("/"), 500, nil, false},
		"a post":                         {httptest.NewRequest(http.MethodPost, "/", nil), 200, nil, false},
		"a head":                         {httptest.NewRequest(http.MethodHead, "/", nil), 200, nil, false},
		"with the desktop's cookie":      {get("/", "Cookie", "vdi-session=x; vdi-desktop.theirs=1"), 200, nil, false},
		"with the desktop's credentials": {get("/", "Authorization", "Basic eDp5"), 200, nil, false},
		"that sets a cookie":             {get("/"), 200, []string{"Set-Cookie", "a=b"}, false},
		"that is private":                {get("/"), 200, []string{"Cache-Control", "max-age=1, Private"}, false},
		"that must not be stored":        {get("/"), 200, []string{"Cache-Control", "no-store"}, false},
		"by language":                    {get("/"), 200, []string{"Vary", "Accept-Encoding, Accept-Language"}, false},
		"by anything":                    {get("/"), 200, []string{"Vary", "*"}, false},
		"cut short":                      {get("/"), 200, []string{"Content-Length", "1000"}, false},
		"too long a path":                {get("/" + strings.Repeat("a", maxPath)), 200, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(1 << 20)
			c.visit(view("alice", image, runs), tc.request, tc.status, "body", tc.header...)
			assert.Equal(t, tc.kept, c.recent.Len() == 1, "kept")
			assert.EqualValues(t, 0, c.recording.Load(), "bytes are still counted as being read")
		})
	}
}

func TestTheQueryIsPartOfTheAddress(t *testing.T) {
	c := newCache(1 << 20)
	c.visit(view("alice", image, runs), get("/app.js?v=1"), 200, "one")
	expectServed(t, c, view("alice", "", ""), get("/app.js?v=1"), "one")
	expectNotServed(t, c, view("alice", "", ""), get("/app.js?v=2"))
	expectNotServed(t, c, view("alice", "", ""), get("/app.js"))
}

func TestWhoCarriesCredentialsOfTheDesktopsOwnIsNotServed(t *testing.T) {
	c := newCache(1 << 20)
	c.visit(view("alice", image, runs), get("/"), 200, "page")
	expectNotServed(t, c, view("alice", "", ""), get("/", "Cookie", "vdi-desktop.theirs=1"))
	expectNotServed(t, c, view("alice", "", ""), get("/", "Authorization", "Basic eDp5"))
	expectNotServed(t, c, view("alice", "", ""), httptest.NewRequest(http.MethodPost, "/", nil))
}

func TestACompressedFileGoesToWhoCanReadIt(t *testing.T) {
	c := newCache(1 << 20)
	c.visit(view("alice", image, runs), get("/"), 200, "zip", "Content-Encoding", "gzip", "Vary", "Accept-Encoding")
	asleep := view("alice", "", "")
	expectServed(t, c, asleep, get("/", "Accept-Encoding", "br, gzip;q=0.5"), "zip")
	expectNotServed(t, c, asleep, get("/", "Accept-Encoding", "br"))
	expectNotServed(t, c, asleep, get("/", "Accept-Encoding", "gzip; q=0"))
	expectNotServed(t, c, asleep, get("/"))
}

func TestAnotherImageMeansAnotherClient(t *testing.T) {
	for name, tc := range map[string]struct {
		next directory.View
		same bool
	}{
		"the same image":             {view("alice", image, runs), true},
		"its container not yet":      {view("alice", image, ""), true},
		"the same tag, another one":  {view("alice", image, otherRuns), false},
		"another tag":                {view("alice", "ghcr.io/example/desktop:2", ""), false},
		"another tag, by its digest": {view("alice", otherRuns, ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(1 << 20)
			c.visit(view("alice", image, runs), get("/"), 200, "page")
			before := c.Observe(view("alice", "", ""))
			after := c.Observe(tc.next)
			require.NotEmpty(t, before)
			require.NotEmpty(t, after)
			assert.Equal(t, tc.same, before == after, "the image's name")
			assert.Equal(t, tc.same, c.Has(tc.next, "/"), "kept")
			assert.False(t, !tc.same && testutil.ToFloat64(c.metrics.CacheBytes) != 0, "the old client is still kept")
		})
	}
}

func TestAClientIsKeptOnceItsImageIsKnown(t *testing.T) {
	c := newCache(1 << 20)
	early := view("alice", image, "")
	c.visit(early, get("/"), 200, "page") // reached before the API knew what runs
	expectNotServed(t, c, view("alice", "", ""), get("/"))
	known := view("alice", image, runs)
	known.Pod.UID = early.Pod.UID
	c.Observe(known)
	expectServed(t, c, view("alice", "", ""), get("/"), "page")
}

func TestAnAnswerOfAnotherPodIsNotKept(t *testing.T) {
	c := newCache(1 << 20)
	v := view("alice", image, runs)
	rec := c.Record(httptest.NewRecorder(), get("/"), v, wire{to: "10.0.0.2"})
	rec.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(rec, "page")
	rec.Commit()
	assert.Equal(t, 0, c.recent.Len(), "kept")
}

func TestTenThousandSessionsOfOneImageCostOneCopy(t *testing.T) {
	const sessions, size = 10_000, 8 << 10
	c := newCache(4 << 20)
	body := strings.Repeat("x", size)
	for i := range sessions {
		c.visit(view(fmt.Sprint("s", i), image, runs), get("/"), 200, body)
	}
	require.Len(t, c.contents, 1, "%d", len(c.contents))
	require.Len(t, c.sessions, sessions, "%d copies for %d sessions", len(c.contents), len(c.sessions))
	expectServed(t, c, view("s0", "", ""), get("/"), body)
	for i := range sessions {
		c.Forget(types.NamespacedName{Namespace: "desktops", Name: fmt.Sprint("s", i)})
	}
	if c.used != 0 || len(c.contents) != 0 || len(c.sessions) != 0 || c.recent.Len() != 0 {
		t.Errorf("left: %d bytes, %d contents, %d sessions", c.used, len(c.contents), len(c.sessions))
	}
}

func TestTheCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	const size = 64 << 10
	c := newCache(1 << 20)
	used := view("used", image, runs)
	c.visit(used, get("/"), 200, "used")
	random := func() string {
		return string(bytes.Repeat([]byte{byte(rand.IntN(256)), byte(rand.IntN(256)), byte(rand.IntN(256)), byte(rand.IntN(256))}, size/4))
	}
	for i := range 100 {
		for j := range 10 {
			c.visit(view(fmt.Sprint("s", i), image, runs), get(fmt.Sprint("/", j)), 200, random())
			require.LessOrEqual(t, c.used, c.max, "bytes are kept, allowed")
			expectServed(t, c, used, get("/"), "used")
		}
		if s := c.sessions[types.NamespacedName{Namespace: "desktops", Name: fmt.Sprint("s", i)}]; s.bytes > c.max/sessionShare {
			t.Fatalf("one session has %d bytes", s.bytes)
		}
	}
	for i := range 2 * maxPaths {
		c.visit(used, get(fmt.Sprint("/", i)), 200, "x")
	}
	assert.LessOrEqual(t, len(c.sessions[client.ObjectKeyFromObject(used.Session)].entries), maxPaths, "paths of one session are kept")
	huge := strings.Repeat("x", maxBody+1)
	c = newCache(64 << 20)
	c.visit(used, get("/huge"), 200, huge)
	c.visit(used, get("/huge"), 200, huge, "Content-Length", fmt.Sprint(len(huge)))
	require.Equal(t, 0, c.recent.Len())
	assert.EqualValues(t, 0, c.recording.Load(), "a file that is too long is kept")
}

func TestAFileThatChangedIsReplaced(t *testing.T) {
	c := newCache(1 << 20)
	for _, body := range []string{"one", "two", "two"} {
		c.visit(view("alice", image, runs), get("/"), 200, body)
	}
	expectServed(t, c, view("alice", "", ""), get("/"), "two")
	require.Len(t, c.contents, 1)
	assert.Equal(t, 1, c.recent.Len(), "contents, entries")
}

func TestACacheOfNothingKeepsNothing(t *testing.T) {
	c := newCache(0)
	c.visit(view("alice", image, runs), get("/"), 200, "page")
	expectNotServed(t, c, view("alice", "", ""), get("/"))
	assert.False(t, c.Has(view("alice", "", ""), "/"), "it has something")
}
