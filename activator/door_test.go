package activator_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/signin"
)

const portalHost = "portal.vdi.localhost"

// goodCode is the one that the test's portal redeems, for Alice.
var goodCode = strings.Repeat("A", 43)

// newPortal is a portal that says what it hears.
func newPortal(t testing.TB) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /redeem", func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Code, BrowserHash, Namespace, Name, UID string }
		_ = json.NewDecoder(r.Body).Decode(&q)
		if q.Code != goodCode || q.Namespace != alice.Namespace || q.Name != alice.Name || q.UID != "1" || len(q.BrowserHash) != 64 {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"reason":"used"}`)
			return
		}
		_, _ = io.WriteString(w, `{"signIn":"signin-alice","user":"alice@example.com","admin":false}`)
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-time.After(time.Second):
			_, _ = io.WriteString(w, "data: 2\n\n")
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "portal %s %s host:%s for:%s as:%s by:%s user:%s body:%s", r.Method, r.URL.Path, r.Host, r.Header.Get("X-Forwarded-For"),
			r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Email"), body)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

// visiting is a kind of visitor with a cookie that rests on a grant.
func (g *gateway) visiting(kind http.Header, user string, grant visit.Grant) http.Header {
	g.T.Helper()
	return g.visitingSince(kind, user, grant, time.Now())
}

func (g *gateway) visitingSince(kind http.Header, user string, grant visit.Grant, since time.Time) http.Header {
	g.T.Helper()
	raw, err := g.Visits.Sign(visit.Visit{User: user, Session: alice, UID: "1", Grant: grant}, since)
	require.NoError(g.T, err)
	h := kind.Clone()
	h.Set("Cookie", "vdi-session="+raw)
	return h
}

// shares shares the desktop by a link, and returns that.
func (g *gateway) shares(role v1alpha1.ShareRole, most int32) (link string, grant visit.Grant) {
	secret := strings.Repeat("B", 42) + "A"
	hash := signin.Hash(secret)
	g.Change(func(s *v1alpha1.VDISession) {
		s.Spec.Shares = []v1alpha1.Share{{Name: "guest", Role: role, Link: &v1alpha1.ShareLink{SecretHash: hash, MaxUses: most}}}
	})
	return "/?vdi_share=guest." + secret, visit.Grant{Share: "guest", Secret: hash[:16]}
}

func cookieOf(a answer, name string) *http.Cookie {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func TestAPersonWithoutACookieSignsInAndComesBackToTheSamePath(t *testing.T) {
	g := newGateway(t, gatewaytest.WithPortal)
	got := g.do(http.MethodGet, "/desk?a=%2f&vdi_refresh=1", navigating)
	require.Equal(t, http.StatusSeeOther, got.code)
	to, err := url.Parse(got.header.Get("Location"))
	require.NoError(t, err)
	assert.Equal(t, "http://portal.vdi.localhost/open/desktops/alice", "http://"+to.Host+to.Path)
	assert.Equal(t, "/desk?a=%2f", to.Query().Get("to"))
	browser := cookieOf(got, "vdi-browser")
	require.NotNil(t, browser)
	assert.Equal(t, signin.Hash(browser.Value), to.Query().Get("browser"))
	assert.True(t, browser.HttpOnly)
	g.expectNothingWritten()

	g.SignsIn("signin-alice", "alice@example.com")
	handed := navigating.Clone()
	handed.Set("Cookie", "vdi-browser="+browser.Value)
	got = g.do(http.MethodGet, "/_vdi/enter?code="+goodCode+"&to=%2Fdesk%3Fa%3D%252f", handed)
	require.Equal(t, http.StatusSeeOther, got.code, got.body)
	assert.Equal(t, "/desk?a=%2f", got.header.Get("Location"))
	assert.Equal(t, -1, cookieOf(got, "vdi-browser").MaxAge)
	g.expectNothingWritten()
	in := navigating.Clone()
	in.Set("Cookie", "vdi-session="+cookieOf(got, "vdi-session").Value)
	got = g.do(http.MethodGet, "/desk", in)
	assert.Equal(t, http.StatusAccepted, got.code)
	assert.Contains(t, got.body, "/_vdi/signout")
	assert.Contains(t, got.header.Get("Content-Security-Policy"), "form-action 'self' http://portal.vdi.localhost")
	eventually.Equal(t, "it is woken", 1, g.Woken)
	assert.InDelta(t, 1, value(g.Metrics.Visits.WithLabelValues("signin"))(), 0)
}

func TestOnlyAPersonIsSentToSignIn(t *testing.T) {
	g := newGateway(t, gatewaytest.WithPortal)
	for name, h := range map[string]http.Header{
		"a script": fetching, "a frame": framing, "a program": noBrowser, "a prefetch": with(navigating, "Sec-Purpose", "prefetch"),
	} {
		got := g.do(http.MethodGet, "/", h)
		assert.Equal(t, http.StatusUnauthorized, got.code, name)
		assert.Empty(t, got.header.Values("Set-Cookie"), name)
	}
	assert.Equal(t, http.StatusUnauthorized, g.do(http.MethodPost, "/", navigating).code, "a form")
	assert.Equal(t, http.StatusUnauthorized, newGateway(t).do(http.MethodGet, "/", navigating).code, "where nobody signs in")
}

// Where people sign in, nobody finds out by asking which sessions there are.
func TestAHostThatNoSessionHasLooksLikeOneThatASessionHas(t *testing.T) {
	long := strings.Repeat("n", 40)
	for mode, how := range map[string]func(*config.Config){
		"hosts": gatewaytest.WithPortal, "folders": func(c *config.Config) { gatewaytest.WithPortal(c); c.URL.Routing = config.RoutingPath },
	} {
		g := newGateway(t, how)
		there := g.Owned.DeepCopy()
		there.Name, there.UID = "a"+strings.Repeat("l", 39), "9"
		there.Namespace = long
		g.Directory.SetSession(there)
		foreign := visit.Visit{User: "bob@example.com", Session: types.NamespacedName{Namespace: "desktops", Name: "bob"},
			UID: "7", Grant: visit.Grant{SignIn: "signin-bob"}}
		bobs, err := g.Visits.Sign(foreign, time.Now())
		require.NoError(t, err)
		ask := func(namespace, name, method, path string, head http.Header) string {
			u := g.Config.URL
			at := "http://" + u.SessionHost(namespace, name) + strings.TrimSuffix(u.SessionPath(namespace, name), "/")
			r := httptest.NewRequest(method, at+path, nil)
			r.Header = head.Clone()
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			w.Header().Del("Set-Cookie")
			text := fmt.Sprintf("%d %v %s", w.Code, w.Header(), w.Body)
			text = regexp.MustCompile(`browser=[0-9a-f]{64}`).ReplaceAllString(text, "")
			_, of, _ := strings.Cut(strings.TrimPrefix(u.SessionAddress(namespace, name), u.Domain+"/"), "--")
			of, _, _ = strings.Cut(of, ".")
			return strings.NewReplacer(name, "NAME", of, "NAMESPACE").Replace(text)
		}
		hash := strings.Repeat("a", 20)
		for name, tc := range map[string]struct {
			method, path string
			head         http.Header
		}{
			"a page": {http.MethodGet, "/x?a=b", navigating}, "the head of one": {http.MethodHead, "/", navigating},
			"a script": {http.MethodGet, "/", fetching},
			"a frame":  {http.MethodGet, "/", framing}, "a program": {http.MethodGet, "/", noBrowser}, "a form": {http.MethodPost, "/", navigating},
			"a WebSocket":    {http.MethodGet, "/ws", with(with(noBrowser, "Connection", "Upgrade"), "Upgrade", "websocket")},
			"a prefetch":     {http.MethodGet, "/", with(navigating, "Sec-Purpose", "prefetch")},
			"another's":      {http.MethodGet, "/", with(noBrowser, "Cookie", "vdi-session="+bobs)},
			"rubbish":        {http.MethodGet, "/", with(noBrowser, "Authorization", "Bearer a.b.c")},
			"a link":         {http.MethodGet, "/?vdi_token=x", navigating},
			"a share's link": {http.MethodGet, "/?vdi_share=guest." + strings.Repeat("B", 42) + "A", navigating},
			"a code": {http.MethodGet, "/_vdi/enter?code=" + strings.Repeat("B", 42) + "A",
				with(navigating, "Cookie", "vdi-browser="+goodCode)},
			"a sign-out":     {http.MethodPost, "/_vdi/signout", navigating},
			"a path of ours": {http.MethodGet, "/_vdi/status", fetching},
			"another site's": {http.MethodGet, "/", with(fetching, "Origin", "https://evil.example")},
			"no slash":       {http.MethodGet, "", navigating},
		} {
			if tc.path == "" && !g.Config.URL.ByPath() {
				continue
			}
			want := ask("desktops", "alice", tc.method, tc.path, tc.head)
			assert.Equal(t, want, ask("desktops", "carol", tc.method, tc.path, tc.head), "%s, %s", mode, name)
			assert.Equal(t, want, ask("elsewhere", "carol", tc.method, tc.path, tc.head), "%s, %s", mode, name)
			hashed := ask(long, there.Name, tc.method, tc.path, tc.head)
			assert.Equal(t, hashed, ask("-"+hash, "c"+strings.Repeat("l", 39), tc.method, tc.path, tc.head), "%s, %s, of a long name", mode, name)
			assert.NotContains(t, hashed, long)
		}
		got := ask("desktops", "carol", http.MethodGet, "/x", navigating)
		assert.Contains(t, got, "/open/NAMESPACE/NAME?", mode)
		g.expectNothingWritten()
	}
	g := newGateway(t, gatewaytest.WithPortal)
	for _, at := range []string{"vdi.localhost", "alice.vdi.localhost", "a--b.c.vdi.localhost", "-a--b.vdi.localhost", "a--b.evil.example",
		strings.Repeat("a", 41) + "--b.vdi.localhost", "a---b.vdi.localhost"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "http://"+at+"/", nil)
		r.Header = navigating.Clone()
		g.ServeHTTP(w, r)
		assert.Equal(t, http.StatusNotFound, w.Code, "%s is no session's by its form", at)
	}
}

func TestCodesThatAreMadeUpAreBoundedBeforeThePortalIsAsked(t *testing.T) {
	var asked atomic.Int32
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"reason":"used"}`)
	}))
	defer portal.Close()
	g := newGateway(t, gatewaytest.WithPortal, func(c *config.Config) {
		c.Portal.Service = portal.URL
		c.Limits.HandoversPerAddress, c.Limits.Handovers = config.Rate{PerSecond: 1e-6, Burst: 20}, config.Rate{PerSecond: 1e-6, Burst: 50}
		c.Limits.RefusalsPerAddress = config.Rate{PerSecond: 1e6, Burst: 1e6}
	})
	enter := func(from string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "http://"+g.Host+"/_vdi/enter?code="+signin.NewSecret(), nil)
		r.RemoteAddr = "127.0.0.1:1"
		r.Header = with(with(navigating, "Cookie", "vdi-browser="+goodCode), "X-Forwarded-For", from)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w
	}
	for range 10000 {
		enter("192.0.2.1")
	}
	assert.EqualValues(t, 20, asked.Load())
	g.ExpectRefusals(closing.HandOverAddressRate, 9980)
	for i := range 100 {
		enter(fmt.Sprintf("2001:db8:%x::1", i))
	}
	assert.EqualValues(t, 50, asked.Load(), "of all addresses")
	g.ExpectRefusals(closing.HandOverRate, 70)
	got := enter("198.51.100.1")
	assert.Equal(t, http.StatusTooManyRequests, got.Code)
	assert.NotEmpty(t, got.Header().Get("Retry-After"))
	assert.Contains(t, got.Body.String(), closing.HandOverRate.Title)
	g.expectNothingWritten()
}

func TestAShareLetsInAsOftenAsItMay(t *testing.T) {
	g := newGateway(t)
	link, _ := g.shares(v1alpha1.ShareViewer, 2)
	first := g.do(http.MethodGet, link, navigating)
	require.Equal(t, http.StatusSeeOther, first.code, first.body)
	assert.Equal(t, "/", first.header.Get("Location"))
	cookie := cookieOf(first, "vdi-session")
	again := navigating.Clone()
	again.Set("Cookie", "vdi-session="+cookie.Value)
	got := g.do(http.MethodGet, link, again)
	assert.Equal(t, http.StatusSeeOther, got.code)
	assert.Nil(t, cookieOf(got, "vdi-session"), "the same browser does not use it again")
	got = g.do(http.MethodGet, link, g.As(navigating))
	assert.Nil(t, cookieOf(got, "vdi-session"), "its owner stays its owner")
	assert.Equal(t, http.StatusServiceUnavailable, g.do(http.MethodHead, link, navigating).code)
	assert.Equal(t, http.StatusSeeOther, g.do(http.MethodGet, link, navigating).code)
	got = g.do(http.MethodGet, link, navigating)
	assert.Equal(t, http.StatusForbidden, got.code)
	assert.Contains(t, got.body, closing.LinkUsedUp.Title)
	g.expectNothingWritten()
}

func TestAViewerWakesNothingAndMayOnlyLook(t *testing.T) {
	g := newGateway(t)
	_, grant := g.shares(v1alpha1.ShareViewer, 0)
	as := func(kind http.Header) http.Header { return g.visiting(kind, "share/guest", grant) }
	got := g.do(http.MethodGet, "/", as(navigating))
	assert.Equal(t, http.StatusOK, got.code)
	assert.Contains(t, got.body, "This desktop is asleep")
	assert.Contains(t, got.body, "The desktop of alice@example.com.")
	assert.Equal(t, http.StatusServiceUnavailable, g.do(http.MethodGet, "/app.js", as(fetching)).code)
	for _, path := range []string{"/_vdi/wake", "/_vdi/activity", "/_vdi/take"} {
		assert.Equal(t, http.StatusForbidden, g.do(http.MethodPost, path, as(fetching)).code, path)
	}
	assert.Equal(t, http.StatusOK, g.do(http.MethodGet, "/_vdi/status", as(fetching)).code)
	g.expectNothingWritten()

	g.Wakes(newDesktop(t))
	assert.Equal(t, http.StatusOK, g.do(http.MethodGet, "/app.js", as(fetching)).code)
	for _, tc := range []struct{ method, path string }{{http.MethodPost, "/x"}, {http.MethodPut, "/x"}, {http.MethodGet, "/files/"}, {http.MethodGet, "/files"},
		{http.MethodGet, "//files/a"}, {http.MethodGet, "/./files/a"}, {http.MethodGet, "/x/../files/a"}, {http.MethodGet, "/%2ffiles/a"},
		{http.MethodGet, "/pelorus/api/env"}, {http.MethodGet, "/devmode/"}} {
		assert.Equal(t, http.StatusForbidden, g.do(tc.method, tc.path, as(fetching)).code, tc)
	}
	ws := g.dial("/api/websockets", as(fromPage))
	for _, text := range []string{"kd,65", "m,1,2,0,0", "cmd,xterm", "START_VIDEO"} {
		say(t, ws, text)
	}
	expectEcho(t, ws, "START_VIDEO")
	for _, path := range []string{"/ws", "/webrtc/signalling/", "/other"} {
		h := as(fromPage)
		h.Set("Host", g.Host)
		_, resp, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(g.Front.URL, "http")+path, h)
		require.Error(t, err)
		assert.Equal(t, http.StatusForbidden, resp.StatusCode, path)
		_ = resp.Body.Close()
	}
	eventually.True(t, "it is written that the guest is connected", func() bool {
		for _, a := range g.Written() {
			assert.Zero(t, a.Connected, "a viewer keeps nothing awake")
			if a.Present != nil && len(a.Present.People) == 1 && a.Present.People[0].Share == "guest" && a.Present.People[0].Role == "Viewer" {
				return true
			}
		}
		return false
	})
}

func TestAControllerIsAsTheOwnerForInput(t *testing.T) {
	g := newGateway(t)
	_, grant := g.shares(v1alpha1.ShareController, 0)
	h := g.visiting(navigating, "share/guest", grant)
	assert.Equal(t, http.StatusAccepted, g.do(http.MethodGet, "/", h).code)
	eventually.Equal(t, "it is woken", 1, g.Woken)
	assert.Equal(t, http.StatusNoContent, g.do(http.MethodPost, "/_vdi/activity", g.visiting(fetching, "share/guest", grant)).code)
}

func TestWhatIsOpenEndsWithWhatLetItIn(t *testing.T) {
	for name, tc := range map[string]struct {
		let  func(*gateway) (user string, grant visit.Grant)
		ends func(*gateway)
		why  *closing.Refusal
	}{
		"a sign-in that is deleted": {
			func(g *gateway) (string, visit.Grant) {
				g.SignsIn("signin-a", "alice@example.com")
				return "alice@example.com", visit.Grant{SignIn: "signin-a"}
			},
			func(g *gateway) { g.SignIns.Drop(&v1alpha1.VDISignIn{ObjectMeta: metav1.ObjectMeta{Name: "signin-a"}}) }, closing.SignedOut,
		},
		"a sign-in that nobody confirms": {
			func(g *gateway) (string, visit.Grant) {
				g.SignsIn("signin-a", "alice@example.com")
				return "alice@example.com", visit.Grant{SignIn: "signin-a"}
			},
			func(g *gateway) {
				s := g.SignIns.Get("signin-a").DeepCopy()
				s.Status.ValidUntil = &metav1.Time{Time: time.Now()}
				g.SignIns.Set(s)
			}, closing.SignedOut,
		},
		"a share that is taken away": {
			func(g *gateway) (string, visit.Grant) {
				_, grant := g.shares(v1alpha1.ShareController, 0)
				return "share/guest", grant
			},
			func(g *gateway) { g.Change(func(s *v1alpha1.VDISession) { s.Spec.Shares = nil }) }, closing.ShareEnded,
		},
		"a share that becomes a viewer's": {
			func(g *gateway) (string, visit.Grant) {
				_, grant := g.shares(v1alpha1.ShareController, 0)
				return "share/guest", grant
			},
			func(g *gateway) { g.shares(v1alpha1.ShareViewer, 0) }, closing.RoleChanged,
		},
		"a link that expires": {
			func(g *gateway) (string, visit.Grant) {
				return "alice@example.com", visit.Grant{Link: time.Now().Add(5 * time.Second), Key: g.Verifier.Key()}
			},
			func(g *gateway) {
				time.Sleep(5 * time.Second)
				g.ReviewAll()
			}, closing.LinkExpired,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, gatewaytest.WithPortal)
			g.Wakes(newDesktop(t))
			user, grant := tc.let(g)
			ws := g.dial("/api/websockets", g.visiting(fromPage, user, grant))
			say(t, ws, "START_VIDEO")
			expectEcho(t, ws, "START_VIDEO")
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Front.URL+"/_vdi/events", nil)
			require.NoError(t, err)
			req.Host, req.Header = g.Host, g.visiting(fetching, user, grant)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer func() { _ = resp.Body.Close() }()
			events := bufio.NewReader(resp.Body)
			_, err = events.ReadString('\n')
			require.NoError(t, err)
			owners := g.dial("/api/websockets", g.As(fromPage))
			say(t, owners, "START_VIDEO")
			expectEcho(t, owners, "START_VIDEO")

			tc.ends(g)
			expectClosed(t, ws, tc.why.Code, tc.why.Text[:20])
			rest, err := io.ReadAll(events)
			require.NoError(t, err)
			if tc.why == closing.RoleChanged {
				assert.Contains(t, string(rest), "event: reload")
			} else {
				assert.Contains(t, string(rest), tc.why.Title)
			}
			g.ExpectRefusals(tc.why, 2)
			say(t, owners, "more")
			expectEcho(t, owners, "more")
		})
	}
}

func TestACookieIsRenewedByAnswersThatNobodyElseSees(t *testing.T) {
	g := newGateway(t, gatewaytest.WithPortal)
	g.SignsIn("signin-a", "alice@example.com")
	grant := visit.Grant{SignIn: "signin-a"}
	since := time.Now().Add(-visit.ForSignIn / 2)
	old := g.visitingSince(fetching, "alice@example.com", grant, since)
	got := g.do(http.MethodPost, "/_vdi/renew", old)
	assert.Equal(t, http.StatusNoContent, got.code)
	renewed := cookieOf(got, "vdi-session")
	require.NotNil(t, renewed)
	v, err := g.Visits.Read(renewed.Value, time.Now())
	require.NoError(t, err)
	assert.Equal(t, grant, v.Grant)
	assert.Nil(t, cookieOf(g.do(http.MethodPost, "/_vdi/renew", g.visiting(fetching, "alice@example.com", grant)), "vdi-session"), "a young one")
	g.expectNothingWritten()

	cached := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", r.URL.Query().Get("c"))
	}))
	t.Cleanup(cached.Close)
	g.Wakes(cached)
	for control, want := range map[string]bool{"": true, "no-store": true, "private,max-age=9": true, "max-age=9": false, "public": false} {
		got := g.do(http.MethodGet, "/x?c="+url.QueryEscape(control), old)
		assert.Equal(t, want, cookieOf(got, "vdi-session") != nil, "%q", control)
	}
	assert.Equal(t, http.StatusUnauthorized, g.do(http.MethodGet, "/x", g.visitingSince(fetching, "alice@example.com", grant, time.Now().Add(-visit.ForSignIn-time.Minute))).code)
}

func TestASignOutDropsTheCookieAndLeadsToThePortals(t *testing.T) {
	g := newGateway(t, gatewaytest.WithPortal)
	got := g.do(http.MethodPost, "/_vdi/signout", fromPage)
	assert.Equal(t, http.StatusSeeOther, got.code)
	assert.Equal(t, "http://portal.vdi.localhost/", got.header.Get("Location"))
	assert.Equal(t, -1, cookieOf(got, "vdi-session").MaxAge)
	assert.Equal(t, http.StatusMethodNotAllowed, g.do(http.MethodGet, "/_vdi/signout", navigating).code)
	assert.Equal(t, http.StatusForbidden, g.do(http.MethodPost, "/_vdi/signout", http.Header{"Origin": {"http://bob--desktops.vdi.localhost"}}).code)
}

func TestThePortalHearsOfWhoAsksFromTheActivatorAlone(t *testing.T) {
	g := newGateway(t, gatewaytest.WithPortal, func(c *config.Config) {
		c.TrustedProxies = nil
		c.Auth.Forwarded = &config.Forwarded{UserHeader: "X-Forwarded-Email", From: []string{"192.0.2.0/24"}}
	})
	h := http.Header{"Test-Host": {"PORTAL.vdi.localhost.:80"}, "X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Host": {"evil.example"},
		"X-Forwarded-Proto": {"https"}, "X-Forwarded-Email": {"root@example.com"}, "Forwarded": {"host=evil.example"}}
	got := g.do(http.MethodGet, "/a", h)
	assert.Equal(t, "portal GET /a host:portal.vdi.localhost for:127.0.0.1 as:portal.vdi.localhost by:http user: body:", got.body)
	g.expectNothingWritten()
}

func TestThePortalsEventsPassAsTheyCome(t *testing.T) {
	g := newGateway(t, gatewaytest.WithPortal, func(c *config.Config) { c.Limits.HeaderTimeout.Duration = 300 * time.Millisecond })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.Front.URL+"/events", nil)
	require.NoError(t, err)
	req.Host = portalHost
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	events := bufio.NewReader(resp.Body)
	for _, want := range []string{"data: 1\n", "\n", "data: 2\n"} { // the last one later than any other answer may end
		line, err := events.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, want, line)
	}
}

func TestAPortalThatIsAwayIsSaidSo(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	g := newGateway(t, gatewaytest.WithPortal, func(c *config.Config) { c.Portal.Service = away.URL })
	got := g.do(http.MethodGet, "/", http.Header{"Test-Host": {portalHost}})
	assert.Equal(t, http.StatusServiceUnavailable, got.code)
	assert.Equal(t, "5", got.header.Get("Retry-After"))
	assert.Contains(t, got.body, closing.PortalAway.Title)
	h := navigating.Clone()
	h.Set("Cookie", "vdi-browser="+goodCode)
	got = g.do(http.MethodGet, "/_vdi/enter?code="+goodCode, h)
	assert.Equal(t, http.StatusServiceUnavailable, got.code)
	assert.Equal(t, "5", got.header.Get("Retry-After"))
	g.ExpectRefusals(closing.PortalAway, 2)
}

func TestAProxysWordIsTakenFromItselfAlone(t *testing.T) {
	forwarding := func(from string) func(*config.Config) {
		return func(c *config.Config) {
			c.Auth.Links = false
			c.Auth.Forwarded = &config.Forwarded{UserHeader: "X-Forwarded-Email", GroupsHeader: "X-Forwarded-Groups", From: []string{from}, AdminGroups: []string{"ops"}}
		}
	}
	said := func(kind http.Header, users ...string) http.Header {
		h := kind.Clone()
		h["X-Forwarded-Email"] = users
		h.Set("X-Forwarded-Groups", "staff, ops")
		return h
	}
	g := newGateway(t, forwarding("127.0.0.0/8"))
	assert.Equal(t, http.StatusForbidden, g.do(http.MethodGet, "/", said(navigating, "bob@example.com")).code, "an administrator sees no desktop")
	assert.Equal(t, http.StatusUnauthorized, g.do(http.MethodGet, "/", said(navigating, "alice@example.com", "bob@example.com")).code)
	assert.Equal(t, http.StatusForbidden, g.do(http.MethodGet, "/", g.As(navigating)).code, "links are off")
	g.expectNothingWritten()
	assert.Equal(t, http.StatusAccepted, g.do(http.MethodGet, "/", said(navigating, "alice@example.com")).code)
	eventually.Equal(t, "it is woken", 1, g.Woken)
	heard := make(chan http.Header, 1)
	desktop := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard <- r.Header }))
	t.Cleanup(desktop.Close)
	g.Wakes(desktop)
	assert.Equal(t, http.StatusOK, g.do(http.MethodGet, "/x", said(fetching, "alice@example.com")).code)
	h := <-heard
	assert.Empty(t, h.Values("X-Forwarded-Email"))
	assert.Empty(t, h.Values("X-Forwarded-Groups"))

	elsewhere := newGateway(t, forwarding("192.0.2.0/24"))
	h = said(navigating, "alice@example.com")
	h.Set("X-Forwarded-For", "192.0.2.1")
	assert.Equal(t, http.StatusUnauthorized, elsewhere.do(http.MethodGet, "/", h).code)
	elsewhere.expectNothingWritten()
}
