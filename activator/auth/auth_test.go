package auth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

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
		"a cookie":                           {cookies: []string{secureCookie + "=" + good}},
		"a plain cookie over HTTP":           {cookies: []string{plainCookie + "=" + good}, plain: true},
		"a bearer":                           {bearer: "Bearer " + good},
		"a bearer in small letters":          {bearer: "bearer " + good},
		"a bearer beside an expired cookie":  {cookies: []string{secureCookie + "=" + expired}, bearer: "Bearer " + good},
		"a cookie beside a desktop's bearer": {cookies: []string{secureCookie + "=" + good}, bearer: "Bearer of-the-desktop"},
		"a cookie behind a planted one":      {cookies: []string{plainCookie + "=planted", plainCookie + "=" + good}, plain: true},

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
		"the first one's fault":        {cookies: []string{secureCookie + "=" + expired}, bearer: "Bearer rubbish", want: token.ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			r := get("/")
			r.Header["Cookie"] = []string{strings.Join(tc.cookies, "; ")}
			if tc.bearer != "" {
				r.Header.Set("Authorization", tc.bearer)
			}
			assert.ErrorIs(t, NewGuard(signer.Verifier(), at(!tc.plain)).Check(r, alice), tc.want, "Check")
		})
	}
}

func TestALinkBecomesACookie(t *testing.T) {
	signer := tokentest.Signer(t)
	alice := session("alice", "1")
	raw := sign(t, signer, token.AudienceSession, alice, 0)
	for _, secure := range []bool{true, false} {
		g := NewGuard(signer.Verifier(), at(secure))
		r := get("/desk?a=1&vdi_token=" + raw + "&b=%2f+x")
		require.True(t, g.Link(r), "the link was not recognised")
		w := httptest.NewRecorder()
		require.NoError(t, g.Exchange(w, r, alice, route.Face{}))
		got := w.Header().Get("Location")
		require.Equal(t, http.StatusSeeOther, w.Code)
		assert.Equal(t, "/desk?a=1&b=%2f+x", got)
		assert.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"), "Referrer-Policy")
		c := w.Result().Cookies()[0]
		if c.Value != raw || !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Domain != "" || c.Path != "/" ||
			(c.Name == secureCookie) != secure {
			t.Errorf("cookie = %+v", c)
		}
		left := time.Until(c.Expires)
		require.GreaterOrEqual(t, left, 59*time.Minute)
		assert.LessOrEqual(t, left, time.Hour, "the cookie lives, want the token's hour")
		again := get("/desk")
		again.AddCookie(c)
		assert.NoError(t, g.Check(again, alice), "the cookie does not open the session")
	}
}

func TestALinkLeadsNowhereElse(t *testing.T) {
	signer := tokentest.Signer(t)
	alice := session("alice", "1")
	g := NewGuard(signer.Verifier(), at(true))
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
			require.NoError(t, g.Exchange(w, r, alice, route.Face{}))
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
	g := NewGuard(signer.Verifier(), at(true))
	for raw, want := range map[string]error{
		"": ErrNoToken, "rubbish": token.ErrMalformed,
		sign(t, signer, token.AudienceSession, session("bob", "1"), 0): token.ErrForeign,
	} {
		w := httptest.NewRecorder()
		err := g.Exchange(w, get("/?vdi_token="+raw), session("alice", "1"), route.Face{})
		require.ErrorIs(t, err, want)
		assert.Empty(t, w.Header(), "Exchange = %v with %v, want %v and nothing written", err, w.Header(), want)
	}
	for _, target := range []string{"/", "/?token=x", "/?vdi_tokens=x"} {
		assert.False(t, g.Link(get(target)), "%s was taken for a link", target)
	}
}

func TestOtherSitesPagesAreTold(t *testing.T) {
	g, plain := NewGuard(nil, at(true)), NewGuard(nil, at(false))
	for name, tc := range map[string]struct {
		guard  *Guard
		header map[string]string
		want   bool
	}{
		"no browser":                   {g, nil, true},
		"its own page":                 {g, map[string]string{"Origin": "https://" + host}, true},
		"its own page, in capitals":    {g, map[string]string{"Origin": "https://" + strings.ToUpper(host)}, true},
		"its own page over HTTP":       {plain, map[string]string{"Origin": "http://" + host}, true},
		"the address typed":            {g, map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document"}, true},
		"a link on a portal":           {g, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}, true},
		"its own image":                {g, map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "image"}, true},
		"a neighbour's page":           {g, map[string]string{"Origin": "https://bob--desktops.vdi.example.com"}, false},
		"a neighbour's image":          {g, map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "image"}, false},
		"a neighbour's frame":          {g, map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "iframe"}, false},
		"another site's frame":         {g, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}, false},
		"a sandbox":                    {g, map[string]string{"Origin": "null"}, false},
		"another port":                 {g, map[string]string{"Origin": "https://" + host + ":8443"}, false},
		"the host as a prefix":         {g, map[string]string{"Origin": "https://" + host + ".evil.example"}, false},
		"the host as a user":           {g, map[string]string{"Origin": "https://" + host + "@evil.example"}, false},
		"a page somebody else injects": {g, map[string]string{"Origin": "http://" + host}, false},
		"rubbish":                      {g, map[string]string{"Origin": "https://%zz"}, false},
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

func TestADesktopSeesItsOwnCredentialsAndNoneOfOurs(t *testing.T) {
	ours := sign(t, tokentest.Signer(t), token.AudienceSession, session("alice", "1"), 0)
	expired := sign(t, tokentest.Signer(t), token.AudienceSession, session("alice", "1"), 2*time.Hour)
	for name, tc := range map[string]struct {
		cookies, wantCookies []string
		auth, wantAuth       string
	}{
		"nothing":                      {nil, nil, "", ""},
		"only ours":                    {[]string{secureCookie + "=x; " + plainCookie + "=y"}, nil, "", ""},
		"ours between its own":         {[]string{"a=1; " + secureCookie + "=x;b=2"}, []string{"a=1; b=2"}, "", ""},
		"on several lines":             {[]string{"a=1", secureCookie + "=x", "b=2;c"}, []string{"a=1; b=2; c"}, "", ""},
		"a name that only looks alike": {[]string{"x" + plainCookie + "=1"}, []string{"x" + plainCookie + "=1"}, "", ""},
		"our bearer":                   {nil, nil, "Bearer " + ours, ""},
		"our bearer beside a cookie":   {[]string{plainCookie + "=y"}, nil, "bearer " + ours, ""},
		"our bearer though expired":    {[]string{secureCookie + "=x"}, nil, "Bearer " + expired, ""},
		"the desktop's bearer":         {[]string{secureCookie + "=x"}, nil, "Bearer of-the-desktop", "Bearer of-the-desktop"},
		"the desktop's password":       {[]string{secureCookie + "=x"}, nil, "Basic YTpi", "Basic YTpi"},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			h["Cookie"] = tc.cookies
			if tc.auth != "" {
				h.Set("Authorization", tc.auth)
			}
			Strip(h)
			got := h.Values("Cookie")
			assert.Equal(t, strings.Join(tc.wantCookies, "|"), strings.Join(got, "|"), "cookies = %q, want %q", got, tc.wantCookies)
			assert.Equal(t, tc.wantAuth, h.Get("Authorization"), "Authorization")
		})
	}
}
