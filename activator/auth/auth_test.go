package auth

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

// planted are cookies that another host of the domain has set for all.
func planted(n int) (cookies []string) {
	for i := range n {
		cookies = append(cookies, fmt.Sprintf("%s=junk%d", plainCookie, i))
	}
	return cookies
}

func session(name string, uid types.UID) *v1alpha1.VDISession {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: name, UID: uid}}
	s.Spec.User = name + "@example.com"
	return s
}

func sign(t *testing.T, by *token.Signer, aud token.Audience, s *v1alpha1.VDISession, ago time.Duration) string {
	t.Helper()
	raw, err := by.Sign(aud, token.For(s), time.Now().Add(-ago), time.Hour)
	require.NoError(t, err)
	return raw
}

const host = "alice--desktops.vdi.example.com"

// at is where sessions are that visitors come to by HTTPS, or not.
func at(secure bool) config.URL {
	u := config.URL{Scheme: "http", Domain: "vdi.example.com"}
	if secure {
		u.Scheme = "https"
	}
	return u
}

func get(target string) *http.Request {
	return httptest.NewRequest(http.MethodGet, "https://"+host+target, nil)
}

func guard(t testing.TB, v *token.Verifier, u config.URL) *Guard {
	t.Helper()
	return guardOf(t, Options{Verifier: v, URL: u, Auth: config.Auth{Links: true}})
}

func guardOf(t testing.TB, o Options) *Guard {
	t.Helper()
	var err error
	o.Visits, err = visit.NewKeys(keyset.New().Bytes())
	require.NoError(t, err)
	return NewGuard(o)
}

// faultOf is what is wrong with a visitor.
func faultOf(_ Visitor, err error) error { return err }

func TestWhoIsLetIn(t *testing.T) {
	signer := tokentest.Signer(t)
	alice := session("alice", "1")
	good := sign(t, signer, token.AudienceSession, alice, 0)
	expired := sign(t, signer, token.AudienceSession, alice, 2*time.Hour)
	bobs := sign(t, signer, token.AudienceSession, session("bob", "1"), 0)
	earlier := sign(t, signer, token.AudienceSession, session("alice", "2"), 0)
	pods := sign(t, signer, token.AudienceTURN, alice, 0)
	forged := sign(t, tokentest.Signer(t), token.AudienceSession, alice, 0)
	for name, tc := range map[string]struct {
		cookies []string
		bearer  string
		plain   bool
		want    error
	}{
		"a cookie":                            {cookies: []string{secureCookie + "=" + good}},
		"a plain cookie over HTTP":            {cookies: []string{plainCookie + "=" + good}, plain: true},
		"a bearer":                            {bearer: "Bearer " + good},
		"a bearer in small letters":           {bearer: "bearer " + good},
		"a bearer beside an expired cookie":   {cookies: []string{secureCookie + "=" + expired}, bearer: "Bearer " + good},
		"a cookie beside a desktop's bearer":  {cookies: []string{secureCookie + "=" + good}, bearer: "Bearer of-the-desktop"},
		"a cookie behind many of a neighbour": {cookies: append(planted(40), plainCookie+"="+good), plain: true},
		"a signature's twin":                  {bearer: "Bearer " + tokentest.Twin(t, good)},
		"a cookie behind a planted one":       {cookies: []string{plainCookie + "=planted", plainCookie + "=" + good}, plain: true},

		"nothing":                      {want: ErrNoToken},
		"an empty cookie":              {cookies: []string{secureCookie + "="}, want: ErrNoToken},
		"an empty bearer":              {bearer: "Bearer ", want: ErrNoToken},
		"another scheme":               {bearer: "Basic " + good, want: ErrNoToken},
		"a plain cookie over HTTPS":    {cookies: []string{plainCookie + "=" + good}, want: ErrNoToken},
		"an expired one":               {bearer: "Bearer " + expired, want: token.ErrExpired},
		"another session's":            {bearer: "Bearer " + bobs, want: token.ErrForeign},
		"an earlier session's":         {bearer: "Bearer " + earlier, want: token.ErrForeign},
		"a pod's":                      {bearer: "Bearer " + pods, want: token.ErrMalformed},
		"one that is signed by others": {bearer: "Bearer " + forged, want: token.ErrMalformed},
		"rubbish":                      {bearer: "Bearer rubbish", want: token.ErrMalformed},
		"the twin of an expired one":   {bearer: "Bearer " + tokentest.Twin(t, expired), want: token.ErrExpired},
		"the twin of another's":        {bearer: "Bearer " + tokentest.Twin(t, bobs), want: token.ErrForeign},
		"the first one's fault":        {cookies: []string{secureCookie + "=" + expired}, bearer: "Bearer rubbish", want: token.ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			r := get("/")
			r.Header["Cookie"] = []string{strings.Join(tc.cookies, "; ")}
			if tc.bearer != "" {
				r.Header.Set("Authorization", tc.bearer)
			}
			assert.ErrorIs(t, faultOf(guard(t, signer.Verifier(), at(!tc.plain)).Check(r, alice)), tc.want, "Check")
		})
	}
}

func TestALinkBecomesACookie(t *testing.T) {
	signer := tokentest.Signer(t)
	alice := session("alice", "1")
	raw := sign(t, signer, token.AudienceSession, alice, 0)
	for _, secure := range []bool{true, false} {
		g := guard(t, signer.Verifier(), at(secure))
		r := get("/desk?a=1&vdi_token=" + raw + "&b=%2f+x")
		require.True(t, g.Link(r), "the link was not recognised")
		w := httptest.NewRecorder()
		by, err := g.Exchange(w, r, alice, route.Face{})
		require.NoError(t, err)
		assert.Equal(t, ByLink, by)
		got := w.Header().Get("Location")
		require.Equal(t, http.StatusSeeOther, w.Code)
		assert.Equal(t, "/desk?a=1&b=%2f+x", got)
		assert.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"), "Referrer-Policy")
		c := w.Result().Cookies()[0]
		if c.Value == raw || !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || c.Path != "/" ||
			(c.Name == secureCookie) != secure {
			t.Errorf("cookie = %+v", c)
		}
		assert.InDelta(t, time.Hour.Seconds(), float64(c.MaxAge), 60, "it lives for as long as the link")
		again := get("/desk")
		again.AddCookie(c)
		assert.NoError(t, faultOf(g.Check(again, alice)), "the cookie does not open the session")
	}
}

func TestALinkLeadsNowhereElse(t *testing.T) {
	signer := tokentest.Signer(t)
	alice := session("alice", "1")
	g := guard(t, signer.Verifier(), at(true))
	raw := sign(t, signer, token.AudienceSession, alice, 0)
	for target, want := range map[string]string{
		"/?vdi_token=" + raw:                     "/",
		"//evil.example/x?vdi_token=" + raw:      "/evil.example/x",
		"/\\evil.example?vdi_token=" + raw:       "/%5Cevil.example",
		"/\\/evil.example?vdi_token=" + raw:      "/%5C/evil.example",
		"///evil.example?vdi_token=" + raw:       "/evil.example",
		"http://evil.example/?vdi_token=" + raw:  "/",
		"http:evil.example?vdi_token=" + raw:     "/",
		"/a?%76di_token=" + raw + "&vdi_token=2": "/a",
		"/a?x&vdi_token=" + raw + "&y=&x":        "/a?x&y=&x",
		"/a%0d%0aSet-Cookie:x?vdi_token=" + raw:  "/a%0d%0aSet-Cookie:x",
	} {
		t.Run(target[:min(len(target), 24)], func(t *testing.T) {
			u, err := url.ParseRequestURI(target)
			require.NoError(t, err)
			r := get("/")
			r.URL = u
			w := httptest.NewRecorder()
			_, err = g.Exchange(w, r, alice, route.Face{})
			require.NoError(t, err)
			got := w.Header().Get("Location")
			assert.Equal(t, want, got, "Location")
			base, _ := url.Parse("https://" + host + "/")
			to, err := base.Parse(strings.ReplaceAll(got, "\\", "/")) // as browsers do
			require.NoError(t, err)
			require.Equal(t, host, to.Host)
			assert.NotContains(t, got, raw, "leads to %v", to)
		})
	}
}

func TestABadLinkMakesNoCookie(t *testing.T) {
	signer := tokentest.Signer(t)
	g := guard(t, signer.Verifier(), at(true))
	for raw, want := range map[string]error{
		"": ErrNoToken, "rubbish": token.ErrMalformed,
		sign(t, signer, token.AudienceSession, session("bob", "1"), 0): token.ErrForeign,
	} {
		w := httptest.NewRecorder()
		_, err := g.Exchange(w, get("/?vdi_token="+raw), session("alice", "1"), route.Face{})
		require.ErrorIs(t, err, want)
		assert.Empty(t, w.Header(), "Exchange = %v with %v, want %v and nothing written", err, w.Header(), want)
	}
	for _, target := range []string{"/", "/?token=x", "/?vdi_tokens=x"} {
		assert.False(t, g.Link(get(target)), "%s was taken for a link", target)
	}
}

func TestItsOwnPagesAndAPersonAreToldFromOthers(t *testing.T) {
	g, plain := guard(t, nil, at(true)), guard(t, nil, at(false))
	for name, tc := range map[string]struct {
		guard  *Guard
		header map[string]string
		want   bool
	}{
		"no browser":                  {g, nil, true},
		"its own page":                {g, map[string]string{"Origin": "https://" + host}, true},
		"its own page, in capitals":   {g, map[string]string{"Origin": "https://" + strings.ToUpper(host)}, true},
		"its own page over HTTP":      {plain, map[string]string{"Origin": "http://" + host}, true},
		"the address typed":           {g, map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document"}, true},
		"a link on a portal":          {g, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}, true},
		"its own image":               {g, map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "image"}, true},
		"its own form without a name": {g, map[string]string{"Origin": "null", "Sec-Fetch-Site": "same-origin"}, true},
		"the port that https has":     {g, map[string]string{"Origin": "https://" + host + ":443"}, true},
		"a dot at the end":            {g, map[string]string{"Origin": "https://" + host + "."}, true},
		"the port that http has":      {plain, map[string]string{"Origin": "http://" + host + ":80"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := get("/")
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			assert.Equal(t, tc.want, tc.guard.SameOrigin(r), "SameOrigin")
		})
	}
}

func TestADesktopGetsItsOwnCookiesAndNobodysCredentials(t *testing.T) {
	ours := sign(t, tokentest.Signer(t), token.AudienceSession, session("alice", "1"), 0)
	expired := sign(t, tokentest.Signer(t), token.AudienceSession, session("alice", "1"), 2*time.Hour)
	passing := config.Passed{Cookies: []string{"theme", "jupyter-*", "vdi-*"}, Headers: []string{"authorization", "X-Auth-Request-Email"}}
	for name, tc := range map[string]struct {
		passed      config.Passed
		cookies     []string
		wantCookies string
		header      map[string]string
		want        string
	}{
		"nothing":                       {},
		"only ours":                     {cookies: []string{secureCookie + "=x; " + plainCookie + "=y; " + folderCookie + "=z"}},
		"ours between its own":          {cookies: []string{"vdi-desktop.a=1; " + secureCookie + "=x;vdi-desktop.b=2"}, wantCookies: "a=1; b=2"},
		"on several lines":              {cookies: []string{"vdi-desktop.a=1", secureCookie + "=x", "vdi-desktop.b=2;vdi-desktop.c"}, wantCookies: "a=1; b=2; c"},
		"others' of the domain":         {cookies: []string{"_oauth2_proxy=x; vdi-desktop.a=1; SSO=y; authelia_session=z; a=2"}, wantCookies: "a=1"},
		"ours as a desktop's":           {cookies: []string{"vdi-desktop." + plainCookie + "=x; vdi-desktop.vdi-desktop.a=1"}},
		"those that are passed":         {passed: passing, cookies: []string{"theme=1; jupyter-x=2; jupyter=3; " + plainCookie + "=4; other=5"}, wantCookies: "theme=1; jupyter-x=2"},
		"our bearer":                    {header: map[string]string{"Authorization": "Bearer " + ours}},
		"our bearer's twin":             {passed: passing, header: map[string]string{"Authorization": "Bearer " + tokentest.Twin(t, ours)}},
		"our bearer though it is asked": {passed: passing, header: map[string]string{"Authorization": "bearer " + expired}},
		"our bearer as gateways move it": {passed: config.Passed{Headers: []string{"x-forwarded-authorization"}},
			header: map[string]string{"X-Forwarded-Authorization": "Bearer " + ours}},
		"a proxy's bearer":          {header: map[string]string{"Authorization": "Bearer of-a-proxy"}},
		"a password":                {header: map[string]string{"Authorization": "Basic YTpi"}},
		"a password that is passed": {passed: passing, header: map[string]string{"Authorization": "Basic YTpi"}, want: "Authorization"},
		"what proxies say": {passed: passing, header: map[string]string{
			"X-Auth-Request-Access-Token": "x", "X-Auth-Request-User": "x", "X-Auth-Request-Email": "passed", "X-Forwarded-Access-Token": "x",
			"Remote-User": "x", "Cf-Access-Jwt-Assertion": "x", "X-Amzn-Oidc-Accesstoken": "x", "X-Forwarded-Client-Cert": "x",
			"Ssl-Client-Cert": "x", "X-Ms-Token-Aad-Id-Token": "x", "X-Goog-Iap-Jwt-Assertion": "x"}, want: "X-Auth-Request-Email"},
		"what a gateway says that is passed": {passed: config.Passed{Headers: []string{"X-Consumer-Username", "iv-*"}}, header: map[string]string{
			"X-Consumer-Username": "passed", "X-Consumer-Groups": "x", "Iv-User": "passed", "Sm_user": "x"}, want: "Iv-User X-Consumer-Username"},
		"what is nobody's credential": {header: map[string]string{"Accept": "x", "X-Requested-With": "y", "X-Authority": "z", "X-Consumers": "z", "Small": "z", "Ivory": "z"},
			want: "Accept Ivory Small X-Authority X-Consumers X-Requested-With"},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			for name, value := range tc.header {
				h.Set(name, value)
			}
			if tc.cookies != nil {
				h["Cookie"] = tc.cookies
			}
			NewFilter(tc.passed).Request(h)
			assert.Equal(t, tc.wantCookies, strings.Join(h.Values("Cookie"), "|"), "cookies")
			h.Del("Cookie")
			assert.Equal(t, tc.want, strings.Join(slices.Sorted(maps.Keys(h)), " "), "fields")
		})
	}
}

func TestADesktopsCookiesAreItsHostsAlone(t *testing.T) {
	for set, want := range map[string]string{
		"a=b; HttpOnly":                            "vdi-desktop.a=b; HttpOnly",
		"a=b":                                      "a=b|vdi-desktop.a=b", // a script reads it
		"a=b; Domain=.example.com; Path=/x":        "a=b; Path=/x|vdi-desktop.a=b; Path=/x",
		"a=b;domain = example.com;httponly":        "vdi-desktop.a=b;httponly",
		" a = b ; HttpOnly; SameSite=Lax; Newer=1": "vdi-desktop.a=b; HttpOnly; SameSite=Lax; Newer=1",
		"a=; Max-Age=0; HttpOnly":                  "vdi-desktop.a=; Max-Age=0; HttpOnly",
		"theme=x; HttpOnly":                        "theme=x; HttpOnly",
		plainCookie + "=gone; Max-Age=0":           "",
		secureCookie + "=evil; Path=/; Secure":     "",
		" __secure-VDI-session =evil":              "",
		"=" + plainCookie + "=evil":                "",
		"vdi-session":                              "",
		"":                                         "",
		"vdi-desktop.a=b":                          "",
		"justname":                                 "justname=|vdi-desktop.justname=",
	} {
		h := http.Header{"Set-Cookie": {set}}
		NewFilter(config.Passed{Cookies: []string{"theme"}}).Answer(h)
		if got := strings.Join(h.Values("Set-Cookie"), "|"); got != want {
			t.Errorf("%q became %q, want %q", set, got, want)
		}
	}
}

// A former key's tokens go on with its certificate, and so does what they became.
func TestAKeyThatIsReplacedByItsAgeTakesNoLinkBack(t *testing.T) {
	alice := session("alice", "1")
	former, formers := tokentest.Certified(t)
	_, currents := tokentest.Certified(t)
	verifier, err := token.NewVerifier(formers)
	require.NoError(t, err)
	g := guard(t, verifier, at(true))
	raw := sign(t, former, token.AudienceSession, alice, 0)
	w := httptest.NewRecorder()
	_, err = g.Exchange(w, get("/?vdi_token="+raw), alice, route.Face{})
	require.NoError(t, err)
	became := get("/")
	became.AddCookie(w.Result().Cookies()[0])
	v, err := g.Check(became, alice)
	require.NoError(t, err)
	_, err = verifier.Use(currents, nil, formers)
	require.NoError(t, err)

	_, err = g.Exchange(httptest.NewRecorder(), get("/?vdi_token="+raw), alice, route.Face{})
	require.NoError(t, err, "the link")
	_, err = g.Check(became, alice)
	require.NoError(t, err, "the cookie that it became")
	_, err = g.Holds(v, alice, time.Now())
	require.NoError(t, err, "what is open by it")
}

func TestAReplacedKeyIsNotHeldUpByWhatWasCheckedBefore(t *testing.T) {
	alice := session("alice", "1")
	var signers [2]*token.Signer
	var keys [2][]byte
	for i := range signers {
		key, err := tokentest.NewKey()
		require.NoError(t, err)
		signers[i], err = token.NewSigner(key)
		require.NoError(t, err)
		keys[i], err = tokentest.PublicKey(key)
		require.NoError(t, err)
	}
	verifier := signers[0].Verifier()
	g := guard(t, verifier, at(true))
	check := func(raw string) error {
		r := get("/")
		r.Header.Set("Authorization", "Bearer "+raw)
		return faultOf(g.Check(r, alice))
	}
	former, next := sign(t, signers[0], token.AudienceSession, alice, 0), sign(t, signers[1], token.AudienceSession, alice, 0)
	require.NoError(t, check(former))
	require.ErrorIs(t, check(next), token.ErrMalformed)
	w := httptest.NewRecorder()
	_, err := g.Exchange(w, get("/?vdi_token="+former), alice, route.Face{})
	require.NoError(t, err)
	became := get("/")
	became.AddCookie(w.Result().Cookies()[0])
	v, err := g.Check(became, alice)
	require.NoError(t, err)
	_, err = verifier.Use(keys[1])
	require.NoError(t, err)
	assert.ErrorIs(t, check(former), token.ErrMalformed, "the former key's link")
	assert.ErrorIs(t, faultOf(g.Check(became, alice)), token.ErrMalformed, "the cookie that it became")
	_, err = g.Holds(v, alice, time.Now())
	assert.ErrorIs(t, err, token.ErrMalformed, "what is open by it")
	assert.NoError(t, check(next), "the new key's link")
}
