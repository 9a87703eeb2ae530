package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/portal/oidctest"
	"github.com/org/vdi-operator/pkg/portal/provider"
	"github.com/org/vdi-operator/pkg/portal/seal"
	"github.com/org/vdi-operator/pkg/portal/signins"
	"github.com/org/vdi-operator/pkg/portal/text"
	"github.com/org/vdi-operator/pkg/signin"
)

// house is a portal with a provider and an API server, and ada's and eve's sessions.
type house struct {
	idp      *oidctest.Provider
	api      client.Client
	box      *seal.Box
	keys     keyset.Set
	url      string
	internal http.Handler
	log      *lines
	config   config.Config
	server   *Server
	// told are the lines of the audit.
	told lines
}

// lines are what was logged.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func session(name, user string) *v1alpha1.VDISession {
	return &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: name, UID: "uid"}, Spec: v1alpha1.VDISessionSpec{User: user}}
}

func newHouse(t *testing.T, change ...func(*config.Config)) *house {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	h := &house{idp: oidctest.New(t), log: &lines{}, api: fake.NewClientBuilder().WithScheme(scheme).
		WithStatusSubresource(&v1alpha1.VDISignIn{}).WithObjects(session("ada", "ada@example.com"), session("eve", "eve@example.com")).Build()}
	var portal http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { portal.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	h.url = server.URL
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	h.config = config.Default()
	h.config.URL.Scheme, h.config.URL.Domain = "http", "vdi.test"
	h.config.URL.Port, _ = strconv.Atoi(at.Port())
	h.config.Portal = &config.Portal{Host: at.Hostname(), SignInsPerAddress: config.DefaultPortal().SignInsPerAddress}
	oidc := config.DefaultOIDC()
	oidc.Issuer, oidc.ClientID = h.idp.URL, oidctest.Client
	h.config.Auth.OIDC = &oidc
	for _, c := range change {
		c(&h.config)
	}
	h.keys = keyset.New()
	h.box, err = seal.New(h.keys)
	require.NoError(t, err)
	s := h.replica(t)
	portal, h.internal, h.server = s, s.Internal(), s
	return h
}

// replica is another portal of the same installation.
func (h *house) replica(t *testing.T) *Server {
	t.Helper()
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	asks, err := provider.NewClient(nil)
	require.NoError(t, err)
	m := metrics.NewPortal(prometheus.NewRegistry(), Reasons()...)
	p := provider.New(provider.Options{OIDC: *h.config.Auth.OIDC, Redirect: CallbackURL(h.config), HTTP: asks, Answers: m.ProviderUp, Log: log, Now: time.Now,
		Secret: func() (string, error) { return oidctest.Secret, nil }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	eventually.True(t, "the provider is known", p.Up)
	store := signins.New(signins.Options{Client: h.api, Cached: h.api, Namespace: "vdi-system", OIDC: *h.config.Auth.OIDC, Box: h.box, Log: log, Now: time.Now})
	return New(Options{Config: h.config, Provider: p, SignIns: store, Sessions: h.api, Box: h.box, Pages: http.HandlerFunc(whoOneIs),
		Metrics: m, Audit: audit.New(&h.told, true), Log: log, Now: time.Now})
}

// refused says that the audit's last line is of a sign-in that was refused for the reason.
func (h *house) refused(t *testing.T, reason string) {
	t.Helper()
	told := strings.Split(strings.TrimSpace(h.told.String()), "\n")
	last := told[len(told)-1]
	assert.Contains(t, last, `"event":"sign_in_refused","via":"sign_in","from":"`)
	assert.Contains(t, last, `"reason":"`+reason+`"`)
}

// whoOneIs is a page with a form.
func whoOneIs(w http.ResponseWriter, r *http.Request) {
	v, _ := VisitorOf(r.Context())
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	_, _ = fmt.Fprintf(w, `You are %s. <form method="post" action="/signout"><input type="hidden" name="csrf" value="%s"></form>`, v.User, v.CSRF)
}

// browser follows redirects between portal and provider, and no others.
func (h *house) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{t: t, h: h, client: &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if at := r.URL.Scheme + "://" + r.URL.Host; at != h.url && at != h.idp.URL || r.URL.Path == "/end" {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

type browser struct {
	t      *testing.T
	h      *house
	client *http.Client
}

type got struct {
	*http.Response
	body string
}

func (b *browser) do(method, path string, form url.Values, head ...string) got {
	b.t.Helper()
	at := path
	if strings.HasPrefix(path, "/") {
		at = b.h.url + path
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, at, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	resp, err := b.client.Do(r)
	require.NoError(b.t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	_ = resp.Body.Close()
	return got{resp, string(raw)}
}

func (b *browser) get(path string) got { b.t.Helper(); return b.do(http.MethodGet, path, nil) }

// only answers without following.
func (b *browser) only(path string) got {
	b.t.Helper()
	follow := b.client.CheckRedirect
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	defer func() { b.client.CheckRedirect = follow }()
	return b.get(path)
}

func (b *browser) cookie() string {
	at, err := url.Parse(b.h.url)
	require.NoError(b.t, err)
	for _, c := range b.client.Jar.Cookies(at) {
		if c.Name == "vdi-portal" {
			return c.Value
		}
	}
	return ""
}

// answer begins to sign in and returns the address that the provider sends the browser to.
func (b *browser) answer() string {
	b.t.Helper()
	start := b.only("/signin")
	require.Equal(b.t, http.StatusSeeOther, start.StatusCode)
	return b.only(start.Header.Get("Location")).Header.Get("Location")
}

var token = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func csrf(t *testing.T, page string) string {
	t.Helper()
	found := token.FindStringSubmatch(page)
	require.NotNil(t, found, page)
	return found[1]
}

func TestAPersonSignsInAndComesBackToWhereTheyWere(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	page := b.get("/")
	assert.Equal(t, http.StatusOK, page.StatusCode)
	assert.Contains(t, page.body, "ada@example.com")
	assert.Len(t, b.cookie(), 43)
	assert.Contains(t, page.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	assert.NotContains(t, page.Header.Get("Content-Security-Policy"), "unsafe")
	assert.Equal(t, "nosniff", page.Header.Get("X-Content-Type-Options"))
	assert.Equal(t, "same-origin", page.Header.Get("Referrer-Policy"))
	other := h.browser(t).get("/open/desktops/ada?browser=" + signin.Hash("b") + "&to=/x?y=1")
	assert.Contains(t, other.Header.Get("Location"), "http://ada--desktops.vdi.test:")
	assert.NotContains(t, h.log.String(), b.cookie())
	assert.NotContains(t, h.log.String(), oidctest.Secret)
}

func TestAProgramIsNotSentToSignIn(t *testing.T) {
	h := newHouse(t)
	for _, head := range [][]string{{"Sec-Fetch-Mode", "cors"}, {"Accept", "application/json"}, {"Sec-Fetch-Mode", "navigate", "Sec-Purpose", "prefetch"}} {
		assert.Equal(t, http.StatusUnauthorized, h.browser(t).do(http.MethodGet, "/", nil, head...).StatusCode, head)
	}
	assert.Equal(t, http.StatusUnauthorized, h.browser(t).do(http.MethodPost, "/signout", url.Values{}).StatusCode)
	assert.Zero(t, h.idp.Count("/authorize"))
}

func TestTheCallbackIsForTheBrowserThatBeganAndOnce(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	at := b.answer()
	other := h.browser(t).get(at)
	assert.Equal(t, http.StatusBadRequest, other.StatusCode, "login CSRF: another browser gets somebody's answer")
	assert.Empty(t, other.Header.Get("Set-Cookie"))
	assert.Zero(t, h.idp.Count("/token"), "the code was not used")
	h.refused(t, "state")
	require.Equal(t, http.StatusOK, b.get(at).StatusCode)
	first := b.cookie()
	assert.Equal(t, http.StatusBadRequest, b.get(at).StatusCode, "replayed")
	assert.Equal(t, first, b.cookie())
}

func TestACodeThatWasUsedSignsNobodyIn(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	used, err := url.Parse(b.answer())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, b.get(used.String()).StatusCode)
	thief := h.browser(t)
	fresh, err := url.Parse(thief.answer())
	require.NoError(t, err)
	q := fresh.Query()
	q.Set("code", used.Query().Get("code"))
	fresh.RawQuery = q.Encode()
	assert.Equal(t, http.StatusForbidden, thief.get(fresh.String()).StatusCode)
	assert.Empty(t, thief.cookie())
	h.refused(t, "provider_refused")
}

func TestAnotherPersonsCodeDoesNotFitTheNonce(t *testing.T) {
	h := newHouse(t)
	victim, thief := h.browser(t), h.browser(t)
	stolen, err := url.Parse(victim.answer())
	require.NoError(t, err)
	fresh, err := url.Parse(thief.answer())
	require.NoError(t, err)
	q := fresh.Query()
	q.Set("code", stolen.Query().Get("code"))
	fresh.RawQuery = q.Encode()
	assert.Equal(t, http.StatusForbidden, thief.get(fresh.String()).StatusCode)
}

func TestAnswersThatAreNotTheProvidersAreRefused(t *testing.T) {
	h := newHouse(t)
	for name, c := range map[string]struct {
		change func(url.Values)
		status int
		reason string
	}{
		"another issuer's":  {func(q url.Values) { q.Set("iss", "https://evil.example") }, http.StatusBadRequest, "issuer"},
		"of no issuer":      {func(q url.Values) { q.Del("iss") }, http.StatusBadRequest, "issuer"},
		"two states":        {func(q url.Values) { q.Add("state", "x") }, http.StatusBadRequest, "answer"},
		"another state":     {func(q url.Values) { q.Set("state", "x") }, http.StatusBadRequest, "state"},
		"no state":          {func(q url.Values) { q.Del("state") }, http.StatusBadRequest, "answer"},
		"no code":           {func(q url.Values) { q.Del("code") }, http.StatusBadRequest, "answer"},
		"code and error":    {func(q url.Values) { q.Set("error", "x") }, http.StatusBadRequest, "answer"},
		"a long code":       {func(q url.Values) { q.Set("code", strings.Repeat("x", maxCode+1)) }, http.StatusBadRequest, "answer"},
		"a longer code":     {func(q url.Values) { q.Set("code", strings.Repeat("x", maxQuery)) }, http.StatusRequestURITooLong, ""},
		"denied":            {func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, http.StatusForbidden, "provider_refused"},
		"away":              {func(q url.Values) { q.Del("code"); q.Set("error", "server_error") }, http.StatusServiceUnavailable, "provider_away"},
		"denied with words": {func(q url.Values) { q.Del("code"); q.Set("error", "<b>secret words</b>") }, http.StatusForbidden, "provider_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			b := h.browser(t)
			at, err := url.Parse(b.answer())
			require.NoError(t, err)
			q := at.Query()
			c.change(q)
			at.RawQuery = q.Encode()
			page := b.get(at.String())
			assert.Equal(t, c.status, page.StatusCode)
			assert.NotContains(t, page.body+h.log.String(), "secret words")
			assert.Empty(t, b.cookie())
			assert.NotContains(t, h.told.String(), "secret words")
			if c.reason != "" {
				h.refused(t, c.reason)
			}
		})
	}
	huge, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/callback?code="+strings.Repeat("x", 1<<20), nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(huge)
	require.NoError(t, err)
	_ = resp.Body.Close()
	assert.Contains(t, []int{http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge}, resp.StatusCode)
}

func TestEachSignInHasAFreshSecretAndTheFormerEnds(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	at, err := url.Parse(h.url)
	require.NoError(t, err)
	planted := signin.NewSecret()
	b.client.Jar.SetCookies(at, []*http.Cookie{{Name: "vdi-portal", Value: planted, Path: "/"}})
	two := b.answer()
	require.Equal(t, http.StatusOK, b.get("/").StatusCode)
	first := b.cookie()
	assert.NotEqual(t, planted, first)
	require.Equal(t, http.StatusOK, b.get(two).StatusCode, "another tab finishes, too")
	second := b.cookie()
	assert.NotEqual(t, first, second)
	all := &v1alpha1.VDISignInList{}
	require.NoError(t, h.api.List(t.Context(), all))
	require.Len(t, all.Items, 1)
	assert.Equal(t, signin.Name(second), all.Items[0].Name)
}

func TestNobodyIsSentToAnotherHost(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	require.Equal(t, http.StatusOK, b.get("/").StatusCode)
	for _, to := range []string{"//evil.example", "https://evil.example/", `/\evil.example`, "/\t/evil.example", "javascript:alert(1)", "evil", "", "/x\r\nSet-Cookie: a=b"} {
		assert.Equal(t, "/", b.only("/signin?to="+url.QueryEscape(to)).Header.Get("Location"), "%q", to)
		open := b.only("/open/desktops/ada?browser=" + signin.Hash("b") + "&to=" + url.QueryEscape(to))
		at, err := url.Parse(open.Header.Get("Location"))
		require.NoError(t, err)
		assert.Equal(t, "/", at.Query().Get("to"), "%q", to)
	}
	assert.Equal(t, "/a?b=c%20d", b.only("/signin?to="+url.QueryEscape("/a?b=c%20d")).Header.Get("Location"))
}

func TestWhatIsNotThereAndWhatIsAnothersLookTheSame(t *testing.T) {
	h := newHouse(t, func(c *config.Config) { c.Namespaces = []string{"desktops"} })
	b := h.browser(t)
	require.Equal(t, http.StatusOK, b.get("/").StatusCode)
	one := b.get("/open/desktops/eve")
	assert.Equal(t, http.StatusNotFound, one.StatusCode)
	one.Header.Del("Date")
	for _, path := range []string{"/open/desktops/none", "/open/elsewhere/ada"} {
		other := b.get(path)
		other.Header.Del("Date")
		assert.Equal(t, []any{one.StatusCode, one.body, one.Header}, []any{other.StatusCode, other.body, other.Header}, path)
	}
}

// redeem asks as an activator.
func redeem(h http.Handler, code, browser string, change ...func(map[string]any)) (int, map[string]any) {
	q := map[string]any{"code": code, "browserHash": signin.Hash(browser), "namespace": "desktops", "name": "ada", "uid": "uid"}
	for _, c := range change {
		c(q)
	}
	raw, _ := json.Marshal(q)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/redeem", bytes.NewReader(raw)))
	answer := map[string]any{}
	_ = json.Unmarshal(w.Body.Bytes(), &answer)
	return w.Code, answer
}

func (b *browser) open() (code string) {
	b.t.Helper()
	at, err := url.Parse(b.get("/open/desktops/ada?browser=" + signin.Hash("mine") + "&to=/x").Header.Get("Location"))
	require.NoError(b.t, err)
	require.Equal(b.t, "/_vdi/enter", at.Path)
	require.Equal(b.t, "/x", at.Query().Get("to"))
	return at.Query().Get("code")
}

func TestAHandOverIsForOneBrowserAndOneSessionAndOnce(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	code := b.open()
	status, answer := redeem(h.internal, code, "mine")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, map[string]any{"signIn": signin.Name(b.cookie()), "user": "ada@example.com", "admin": false}, answer)
	for name, c := range map[string]struct {
		code    string
		browser string
		change  func(map[string]any)
		status  int
		reason  any
	}{
		"a second time":   {code, "mine", func(map[string]any) {}, http.StatusForbidden, "used"},
		"another browser": {b.open(), "other", func(map[string]any) {}, http.StatusForbidden, "browser"},
		"another session": {b.open(), "mine", func(q map[string]any) { q["name"] = "eve" }, http.StatusForbidden, "session"},
		"made up":         {"x", "mine", func(map[string]any) {}, http.StatusForbidden, "used"},
		"no code":         {"", "mine", func(map[string]any) {}, http.StatusBadRequest, nil},
		"long":            {strings.Repeat("x", 1<<20), "mine", func(map[string]any) {}, http.StatusBadRequest, nil},
	} {
		status, answer := redeem(h.internal, c.code, c.browser, c.change)
		assert.Equal(t, c.status, status, name)
		assert.Equal(t, c.reason, answer["reason"], name)
	}
	assert.NotContains(t, h.log.String(), code)
}

func TestWithoutTheSessionsBrowserThereIsNoCode(t *testing.T) {
	h := newHouse(t)
	for _, query := range []string{"", "?browser=x", "?browser=" + strings.ToUpper(signin.Hash("x"))} {
		at := h.browser(t).get("/open/desktops/ada" + query).Header.Get("Location")
		assert.Equal(t, h.config.URL.SessionURL("desktops", "ada"), at)
	}
}

func TestASignOutEndsTheSignInHereAndAtTheProvider(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	form := url.Values{"csrf": {csrf(t, b.get("/").body)}}
	secret := b.cookie()
	code := b.open()
	for name, head := range map[string][]string{
		"another site":    {"Sec-Fetch-Site", "cross-site"},
		"a desktop":       {"Sec-Fetch-Site", "same-site"},
		"another origin":  {"Origin", "https://evil.example"},
		"no origin named": {"Origin", "null"},
	} {
		assert.Equal(t, http.StatusForbidden, b.do(http.MethodPost, "/signout", form, head...).StatusCode, name)
	}
	eve := h.browser(t)
	h.idp.Set(func(p *oidctest.Provider) { p.Person = map[string]any{"sub": "2", "email": "eve@example.com"} })
	hers := url.Values{"csrf": {csrf(t, eve.get("/").body)}}
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodPost, "/signout", hers).StatusCode, "another's token")
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodPost, "/signout", url.Values{}).StatusCode, "no token")
	long := url.Values{"x": {strings.Repeat("x", maxBody)}, "csrf": form["csrf"]}
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodPost, "/signout", long).StatusCode, "too long")

	out := b.do(http.MethodPost, "/signout", form, "Origin", h.url, "Sec-Fetch-Site", "same-origin")
	assert.Equal(t, http.StatusSeeOther, out.StatusCode)
	at, err := url.Parse(out.Header.Get("Location"))
	require.NoError(t, err)
	assert.Equal(t, h.url+"/signed-out", at.Query().Get("post_logout_redirect_uri"))
	assert.NotEmpty(t, at.Query().Get("id_token_hint"))
	assert.Empty(t, b.cookie())
	assert.Contains(t, b.get("/signed-out").body, "Sign in again")

	again := h.browser(t)
	u, err := url.Parse(h.url)
	require.NoError(t, err)
	again.client.Jar.SetCookies(u, []*http.Cookie{{Name: "vdi-portal", Value: secret, Path: "/"}})
	assert.Equal(t, http.StatusUnauthorized, again.do(http.MethodGet, "/", nil, "Sec-Fetch-Mode", "cors").StatusCode, "a kept cookie")
	_, answer := redeem(h.internal, code, "mine")
	assert.Equal(t, "signed_out", answer["reason"])
}

func TestAFormOutlivesTheKeyThatSignedIt(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	form := url.Values{"csrf": {csrf(t, b.get("/").body)}}
	require.NoError(t, h.box.Use(h.keys.Announce().Turn()))
	assert.Equal(t, http.StatusNotFound, b.do(http.MethodPost, "/x", form).StatusCode, "it reaches the pages")
	require.NoError(t, h.box.Use(keyset.New()))
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodPost, "/x", form).StatusCode, "of a key that is gone")
}

func TestWhoHasSignedInChangesAndOpensNoMoreThanAPersonDoes(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	form := url.Values{"csrf": {csrf(t, b.get("/").body)}}
	now := time.Now()
	h.server.Now = func() time.Time { return now }
	opened, changed := map[int]int{}, map[int]int{}
	for range changesAtOnce {
		opened[b.get("/open/desktops/ada?browser="+signin.Hash("mine")).StatusCode]++
	}
	for range 3 * changesPerSecond {
		changed[b.do(http.MethodPost, "/x", form).StatusCode]++
	}
	assert.Equal(t, map[int]int{http.StatusSeeOther: changesAtOnce}, opened)
	assert.NotZero(t, changed[http.StatusTooManyRequests])
	assert.Equal(t, http.StatusOK, b.get("/").StatusCode, "who only looks")
}

func TestTheProviderSignsPeopleOut(t *testing.T) {
	h := newHouse(t)
	b := h.browser(t)
	require.Equal(t, http.StatusOK, b.get("/").StatusCode)
	now := time.Now()
	raw := h.idp.Signed(jwt.MapClaims{"iss": h.idp.URL, "aud": oidctest.Client, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "sub": "1",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}})
	idp := h.browser(t)
	assert.Equal(t, http.StatusBadRequest, idp.do(http.MethodPost, "/backchannel-logout", url.Values{"logout_token": {"x"}}).StatusCode)
	assert.Equal(t, http.StatusBadRequest, idp.do(http.MethodPost, "/backchannel-logout", nil).StatusCode)
	assert.Equal(t, http.StatusOK, idp.do(http.MethodPost, "/backchannel-logout", url.Values{"logout_token": {raw}}).StatusCode)
	assert.Equal(t, http.StatusUnauthorized, b.do(http.MethodGet, "/", nil, "Sec-Fetch-Mode", "cors").StatusCode)
}

func TestWhileTheProviderIsAwayThePageSaysSo(t *testing.T) {
	h := newHouse(t)
	signedIn, b := h.browser(t), h.browser(t)
	require.Equal(t, http.StatusOK, signedIn.get("/").StatusCode)
	at := b.answer()
	h.idp.Set(func(p *oidctest.Provider) { p.Down = true })
	page := b.get(at)
	assert.Equal(t, http.StatusServiceUnavailable, page.StatusCode)
	assert.NotEmpty(t, page.Header.Get("Retry-After"))
	assert.Empty(t, page.Header.Get("Refresh"), "a code is not used again")
	assert.Equal(t, http.StatusOK, signedIn.get("/").StatusCode, "who has signed in goes on")
}

func TestSignInsOfAnAddressAreBounded(t *testing.T) {
	h := newHouse(t, func(c *config.Config) { c.Portal.SignInsPerAddress = config.Rate{PerSecond: 0.001, Burst: 3} })
	now := time.Now()
	h.server.Now = func() time.Time { return now }
	ask := func(from, path string) int {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("X-Forwarded-For", from)
		h.server.ServeHTTP(w, r)
		return w.Code
	}
	answers := map[int]int{}
	for range 10000 {
		answers[ask("192.0.2.1", "/signin")]++
	}
	assert.Equal(t, map[int]int{http.StatusSeeOther: 3, http.StatusTooManyRequests: 9997}, answers)
	h.refused(t, "sign_ins_per_address")
	assert.Equal(t, 1, strings.Count(h.told.String(), "\n"), "a line a minute")
	assert.Equal(t, http.StatusSeeOther, ask("192.0.2.2", "/signin"), "another address")
	for i := range 4 {
		want := http.StatusBadRequest
		if i == 3 {
			want = http.StatusTooManyRequests
		}
		assert.Equal(t, want, ask("2001:db8::"+strconv.Itoa(i+1), "/callback?state=x&code=x"), "one IPv6 network")
	}
}

func TestCookiesThatAreMadeUpAreNotLookedForWithoutEnd(t *testing.T) {
	h := newHouse(t)
	s, now := h.replica(t), time.Now()
	s.Now = func() time.Time { return now }
	answers := map[int]int{}
	for range lookupsAtOnce + 20 {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "vdi-portal", Value: signin.NewSecret()})
		s.ServeHTTP(w, r)
		answers[w.Code]++
	}
	assert.Equal(t, map[int]int{http.StatusUnauthorized: lookupsAtOnce, http.StatusTooManyRequests: 20}, answers)
}

func TestARefusalIsSaidInTheLanguageThatABrowserAsksFor(t *testing.T) {
	for _, one := range text.Tongues {
		for _, why := range table {
			for _, part := range []string{".title", ".text"} {
				assert.True(t, one.Has("refusal."+why.Reason+part), "%s lacks %s%s", one.Tag, why.Reason, part)
			}
		}
	}
	b := newHouse(t).browser(t)
	for asks, want := range map[string][]string{"de-AT": {`<html lang="de">`, "Diese Anmeldung ist beendet", ">Anmelden<"},
		"fr": {`<html lang="en">`, "This sign-in has ended", ">Sign in<"}} {
		got := b.do(http.MethodGet, "/callback?state=a&code=b", nil, "Accept-Language", asks)
		for _, part := range want {
			assert.Contains(t, got.body, part)
		}
		assert.Contains(t, got.Header.Get("Vary"), "Accept-Language")
	}
	assert.Contains(t, b.do(http.MethodGet, "/signed-out", nil, "Accept-Language", "de").body, "Sie haben sich abgemeldet")
}

func TestEveryReasonIsThereFromTheStart(t *testing.T) {
	assert.Contains(t, Reasons(), "provider_away")
	assert.Contains(t, Reasons(), "handover_browser")
}

func FuzzDestination(f *testing.F) {
	for _, to := range []string{"/", "//x", `/\x`, "/%2f/x", "/a?b#c", "http:x", "/\x00", "/\u2028"} {
		f.Add(to)
	}
	f.Fuzz(func(t *testing.T, to string) {
		got := destination(to)
		base, _ := url.Parse("https://portal.test/x")
		at, err := base.Parse(got)
		require.NoError(t, err)
		assert.Equal(t, "portal.test", at.Host)
		assert.Equal(t, "https", at.Scheme)
		assert.False(t, strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t\x00"), "%q", got)
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add("state=a&code=b&iss=c")
	f.Add("state=a&error=b")
	f.Add("state=a;code=b&%zz")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := parseAnswer(query)
		if err == nil {
			assert.True(t, q.state != "" && (q.code == "") != (q.fault == ""))
		}
	})
}

func FuzzRedeem(f *testing.F) {
	f.Add(`{"code":"a","browserHash":"b","namespace":"c","name":"d","uid":"e"}`)
	f.Fuzz(func(t *testing.T, body string) {
		code, target, err := parseRedeem(strings.NewReader(body))
		assert.True(t, err != nil || code != "" && target.Name != "" && target.UID != "")
	})
}

func FuzzCookie(f *testing.F) {
	f.Add("vdi-portal=x")
	f.Fuzz(func(t *testing.T, head string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", head)
		secret, ok := newCookie(false).read(r)
		assert.True(t, !ok || len(secret) == 43)
	})
}
