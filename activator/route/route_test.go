package route

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/config"
)

var (
	byHost = New(config.URL{Scheme: "https", Routing: config.RoutingHost, Domain: "vdi.example.com"})
	byPath = New(config.URL{Scheme: "https", Routing: config.RoutingPath, Domain: "vdi.example.com"})
	folder = Face{Scheme: "https", Prefix: "/ada--team"}
)

func TestWhereARequestLeads(t *testing.T) {
	for _, tc := range []struct {
		routing               Routing
		target, address, sees string
	}{
		{byHost, "https://ada--team.vdi.example.com/x?y=1", "ada--team.vdi.example.com", "/x?y=1"},
		{byHost, "https://ADA--team.vdi.example.com.:8443/", "ada--team.vdi.example.com", "/"},
		{byPath, "https://vdi.example.com/ada--team/", "vdi.example.com/ada--team", "/"},
		{byPath, "https://vdi.example.com:8443/ada--team/a%2Fb/c?y=1", "vdi.example.com/ada--team", "/a%2Fb/c?y=1"},
		{byPath, "https://vdi.example.com/ada--team", "vdi.example.com/ada--team", "/"},
		{byPath, "https://vdi.example.com/ada--team//evil.example/", "vdi.example.com/ada--team", "//evil.example/"},
		{byPath, "https://vdi.example.com/ada--team?y=1", "vdi.example.com/ada--team", "/?y=1"},
		// No session's: a folder is the whole of a path's first part, and as it is written.
		{byPath, "https://vdi.example.com/", "vdi.example.com/", "/"},
		{byPath, "https://vdi.example.com//ada--team/", "vdi.example.com/", ""},
		{byPath, "https://vdi.example.com/%61da--team/", "vdi.example.com/%61da--team", ""},
		{byPath, "https://vdi.example.com/ada--team%2F/", "vdi.example.com/ada--team%2F", ""},
		{byPath, "https://vdi.example.com/ADA--team/", "vdi.example.com/ADA--team", ""},
		{byPath, "https://ada--team.vdi.example.com/", "ada--team.vdi.example.com/", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, tc.target, nil)
		before := *r.URL
		p := tc.routing.Of(r)
		assert.Equal(t, tc.address, p.Address, "%s leads", tc.target)
		got := p.Inside(r).URL.RequestURI()
		assert.False(t, tc.sees != "" && got != tc.sees, "%s: the desktop sees %q, want %q", tc.target, got, tc.sees)
		assert.Equal(t, before, *r.URL, "%s was changed to %s", &before, r.URL)
	}
}

func TestAFolderWithoutItsSlash(t *testing.T) {
	for target, bare := range map[string]bool{"/ada--team": true, "/ada--team?x=1": true, "/ada--team/": false, "/ada--team/x": false} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		assert.Equal(t, bare, folder.Bare(r), target)
		to := folder.Outside(folder.Inside(r).URL)
		assert.False(t, bare && to != strings.Replace(target, "/ada--team", "/ada--team/", 1), "%s is sent to %s", target, to)
	}
	assert.False(t, (Face{}).Bare(httptest.NewRequest(http.MethodGet, "/", nil)), "a host's root needs no other slash")
}

func TestAnAddressInsideIsOneOfTheSessionsOutside(t *testing.T) {
	for inside, outside := range map[string]string{
		"/": "/ada--team/", "/a%2Fb?x=%20": "/ada--team/a%2Fb?x=%20", "//evil.example/": "/ada--team/evil.example/", "/?": "/ada--team/?",
	} {
		u, err := url.Parse(inside)
		if strings.HasPrefix(inside, "//") {
			u = &url.URL{Path: inside}
		}
		require.NoError(t, err)
		assert.Equal(t, outside, folder.Outside(u), "%s is outside", inside)
	}
	for outside, inside := range map[string]string{
		"/ada--team/a?b": "/a?b", "/ada--team": "/", "/ada--team?b": "/?b", "/ada--teams/": "/ada--teams/", "/other": "/other", "": "",
	} {
		assert.Equal(t, inside, folder.InsideURI(outside), "%s is inside", outside)
		assert.Equal(t, outside, (Face{}).InsideURI(outside), "with a host of its own is inside")
	}
}

func TestWhatADesktopAnswersLeadsBackToIt(t *testing.T) {
	for to, want := range map[string]string{
		"/login":                             "/ada--team/login",
		"/":                                  "/ada--team/",
		"/a%2Fb?next=%2F":                    "/ada--team/a%2Fb?next=%2F",
		"https://vdi.example.com:8443/x":     "https://vdi.example.com:8443/ada--team/x",
		"http://VDI.example.com:8443":        "http://VDI.example.com:8443/ada--team/",
		"//vdi.example.com:8443/x":           "//vdi.example.com:8443/ada--team/x",
		"/ada--team/login":                   "/ada--team/login", // by X-Forwarded-Prefix
		"/ada--team?x":                       "/ada--team?x",
		"/ada--teams/":                       "/ada--team/ada--teams/",
		"login":                              "login",
		"../login":                           "../login",
		"?again":                             "?again",
		"https://identity.example/":          "https://identity.example/",
		"https://vdi.example.com/other-port": "https://vdi.example.com/other-port",
		"mailto:ada@example.com":             "mailto:ada@example.com",
		"https://vdi.example.com:8443/ada--team/": "https://vdi.example.com:8443/ada--team/",
	} {
		h := http.Header{"Location": {to}, "Content-Location": {to}}
		folder.Answer(h, "vdi.example.com:8443")
		require.Equal(t, want, h.Get("Location"), to)
		assert.Equal(t, want, h.Get("Content-Location"), "%s became", to)
		h = http.Header{"Location": {to}}
		if (Face{}).Answer(h, "vdi.example.com:8443"); h.Get("Location") != to {
			t.Errorf("with a host of its own %s became %s", to, h.Get("Location"))
		}
	}
	for cookie, want := range map[string]string{
		"a=b":                          "a=b", // for the folder of the address that was asked for
		"a=b; Path=/":                  "a=b; Path=/ada--team/",
		"a=b;path=/x; HttpOnly":        "a=b; Path=/ada--team/x; HttpOnly",
		"a=b; Path=/ada--team/":        "a=b; Path=/ada--team/",
		"a=b; Path=x":                  "a=b; Path=x",
		"Path=/; SameSite=Lax; Path=/": "Path=/; SameSite=Lax; Path=/ada--team/",
		"a=b; Later=1; PATH=/":         "a=b; Later=1; Path=/ada--team/",
	} {
		h := http.Header{"Set-Cookie": {"first=1; Path=/", cookie}}
		folder.Answer(h, "vdi.example.com")
		got := h["Set-Cookie"]
		require.Equal(t, "first=1; Path=/ada--team/", got[0], cookie)
		assert.Equal(t, want, got[1], "%s became %q", cookie, got)
	}
}

func TestARequestForNobodyIsSentWhereItsPageIs(t *testing.T) {
	known := func(address string) bool { return address == "vdi.example.com/ada--team" }
	for name, tc := range map[string]struct {
		routing                 Routing
		method, target, referer string
		want                    string
	}{
		"Selkies 1.6's TURN":    {byPath, "GET", "/turn", "https://vdi.example.com/ada--team/", "/ada--team/turn"},
		"a page's deep link":    {byPath, "GET", "/a%2Fb?x=1", "https://vdi.example.com/ada--team/x/y?z", "/ada--team/a%2Fb?x=1"},
		"the root":              {byPath, "GET", "/", "https://vdi.example.com/ada--team/", "/ada--team/"},
		"one that leads away":   {byPath, "GET", "//evil.example/", "https://vdi.example.com/ada--team/", "/ada--team/evil.example/"},
		"a head":                {byPath, "HEAD", "/turn", "https://vdi.example.com/ada--team/", "/ada--team/turn"},
		"something that writes": {byPath, "POST", "/turn", "https://vdi.example.com/ada--team/", ""},
		"no page":               {byPath, "GET", "/turn", "", ""},
		"another site's page":   {byPath, "GET", "/turn", "https://evil.example/ada--team/", ""},
		"a page that is none":   {byPath, "GET", "/turn", "https://vdi.example.com/bob--team/", ""},
		"the root's page":       {byPath, "GET", "/turn", "https://vdi.example.com/", ""},
		"rubbish":               {byPath, "GET", "/turn", "::", ""},
		"hosts of their own":    {byHost, "GET", "/turn", "https://vdi.example.com/ada--team/", ""},
	} {
		r := httptest.NewRequest(tc.method, "https://vdi.example.com/", nil)
		r.URL.Path, r.URL.RawPath = tc.target, ""
		if u, err := url.ParseRequestURI(tc.target); err == nil && !strings.HasPrefix(tc.target, "//") {
			r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
		}
		r.Header.Set("Referer", tc.referer)
		assert.Equal(t, tc.want, tc.routing.Meant(r, known), "%s: sent", name)
	}
}
