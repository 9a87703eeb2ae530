package attacks

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/gatewaytest"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/signin"
	"github.com/org/vdi-operator/pkg/token"
)

// Who attacks the door.
const (
	signedOut who = "somebody who is not signed in"
	viewer    who = "a viewer"
)

const (
	portalHost = "portal." + domain
	ourCookie  = "Cookie: __Host-vdi-session="
)

// forwardingFrom takes the word of a proxy that is somewhere else.
func forwardingFrom(c *config.Config) {
	c.Auth.Forwarded = &config.Forwarded{UserHeader: "X-Forwarded-Email", GroupsHeader: "X-Forwarded-Groups", From: []string{"192.0.2.0/24"},
		AdminGroups: []string{"ops"}}
}

func withoutLinks(c *config.Config) {
	gatewaytest.WithPortal(c)
	c.Auth.Links = false
}

// portal is one that says what it hears, and redeems what the code asks it for.
type portal struct {
	*httptest.Server
	mu    sync.Mutex
	heard []string
}

// code is a code that the portal answers as its first letter says.
func code(kind string) string { return strings.Repeat(kind, 42) + "A" }

var answers403 = map[string]string{"B": "used", "C": "expired", "D": "browser", "E": "session", "F": "signed_out", "G": "whatever"}

func newPortal(t testing.TB) *portal {
	p := &portal{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.heard = append(p.heard, r.Method+" "+r.Host+r.URL.Path)
		p.mu.Unlock()
		if r.URL.Path != "/redeem" {
			_, _ = fmt.Fprintf(w, "portal %s as:%s user:%s", r.Host, r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-Email"))
			return
		}
		var q struct{ Code string }
		_ = json.Unmarshal(body, &q)
		kind := q.Code[:1]
		switch reason := answers403[kind]; {
		case reason != "":
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, `{"reason":%q}`, reason)
		case kind == "H":
			_, _ = io.WriteString(w, "<html>")
		case kind == "I":
			_, _ = io.WriteString(w, `{"signIn":"signin-a","user":"`+strings.Repeat("x", 9000)+`"}`)
		case kind == "J":
			_, _ = io.WriteString(w, `{"signIn":"","user":"root"}`)
		case kind == "K":
			http.Redirect(w, r, "http://"+r.Host+"/elsewhere", http.StatusTemporaryRedirect)
		default:
			_, _ = io.WriteString(w, `{"signIn":"signin-alice","user":"alice@example.com"}`)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

var secretOf = strings.Repeat("S", 42) + "A"

// sharing gives alice's session shares of every kind.
func (h *house) sharing() {
	ended := metav1.NewTime(time.Now().Add(-time.Minute))
	link := func(most int32) *v1alpha1.ShareLink {
		return &v1alpha1.ShareLink{SecretHash: signin.Hash(secretOf), MaxUses: most}
	}
	h.Change(func(s *v1alpha1.VDISession) {
		s.Spec.Shares = []v1alpha1.Share{
			{Name: "guest", Role: v1alpha1.ShareViewer, Link: link(0)}, {Name: "ended", Role: v1alpha1.ShareController, Link: link(0), ExpiresAt: &ended},
			{Name: "used-up", Role: v1alpha1.ShareController, Link: link(1)}, {Name: "carol", Role: v1alpha1.ShareController, User: "carol@example.com"},
			{Name: "dave", Role: v1alpha1.ShareController, User: "dave@example.com", ExpiresAt: &ended},
		}
		s.Status.Activity = &v1alpha1.SessionActivity{Shares: []v1alpha1.ShareUse{{Name: "used-up", Uses: 1}}}
	})
}

// visitOf is a cookie's visit of a session.
func visitOf(s *v1alpha1.VDISession, grant visit.Grant) visit.Visit {
	of := token.For(s)
	return visit.Visit{User: of.User, Session: of.Session, UID: of.UID, Grant: grant}
}

func (h *house) visit(v visit.Visit, since time.Duration) string {
	h.Helper()
	raw, err := h.Visits.Sign(v, time.Now().Add(-since))
	require.NoError(h, err)
	return raw
}

// visits are cookies that open nothing.
func visits(h *house) (all []attack) {
	h.sharing()
	h.SignsIn("signin-a", h.alice.Spec.User)
	h.SignsIn("signin-bob", "bob@example.com")
	h.SignsIn("signin-admin", "root@example.com", func(s *v1alpha1.VDISignIn) { s.Spec.Admin = true })
	h.SignsIn("signin-dave", "dave@example.com")
	past := metav1.NewTime(time.Now().Add(-time.Minute))
	h.SignsIn("signin-old", h.alice.Spec.User, func(s *v1alpha1.VDISignIn) { s.Spec.ExpiresAt = past })
	h.SignsIn("signin-unsure", h.alice.Spec.User, func(s *v1alpha1.VDISignIn) { s.Status.ValidUntil = &past })
	h.SignsIn("signin-new", h.alice.Spec.User, func(s *v1alpha1.VDISignIn) { s.Status.ValidUntil = nil })
	h.SignsIn("signin-gone", h.alice.Spec.User, func(s *v1alpha1.VDISignIn) { s.DeletionTimestamp = &past })
	grant := visit.Grant{SignIn: "signin-a"}
	good := h.visit(visitOf(h.alice, grant), 0)
	add := func(name, raw string, why *closing.Refusal) {
		all = append(all, attack{name: name, who: neighbour, sent: get("/", victim, ourCookie+raw), want: fmt.Sprint(why.Status), why: why})
	}
	again, moved, elsewhere := h.alice.DeepCopy(), h.alice.DeepCopy(), h.alice.DeepCopy()
	again.UID, moved.Spec.User, elsewhere.Namespace = "0", "bob@example.com", "others"
	add("that of another session", h.visit(visitOf(h.bob, grant), 0), closing.ForeignToken)
	add("that of an earlier session of the name", h.visit(visitOf(again, grant), 0), closing.ForeignToken)
	add("that of a namesake elsewhere", h.visit(visitOf(elsewhere, grant), 0), closing.ForeignToken)
	add("an expired one", h.visit(visitOf(h.alice, grant), time.Hour), closing.ExpiredToken)
	add("one of a clock ahead", h.visit(visitOf(h.alice, grant), -time.Hour), closing.BadToken)
	foreign, err := visit.NewKeys(keyset.New().Bytes())
	require.NoError(h, err)
	raw, err := foreign.Sign(visitOf(h.alice, grant), time.Now())
	require.NoError(h, err)
	add("another installation's", raw, closing.BadToken)

	part := strings.Split(good, ".")
	forge := func(method jwt.SigningMethod, key any, header map[string]any, change func(jwt.MapClaims)) string {
		c := jwt.MapClaims{}
		parsed, _, err := jwt.NewParser().ParseUnverified(good, &c)
		require.NoError(h, err)
		if change != nil {
			change(c)
		}
		all := map[string]any{"kid": parsed.Header["kid"]}
		for name, value := range header {
			all[name] = value
		}
		return h.signed(method, key, all, c)
	}
	ours := func(change func(jwt.MapClaims)) string { return forge(jwt.SigningMethodHS256, h.keys[0], nil, change) }
	other := keyset.New()[0]
	for name, raw := range map[string]string{
		"forged by our key's name":      forge(jwt.SigningMethodHS256, other, nil, nil),
		"by a key of no name":           forge(jwt.SigningMethodHS256, h.keys[0], map[string]any{"kid": ""}, nil),
		"by a key of another name":      forge(jwt.SigningMethodHS256, h.keys[0], map[string]any{"kid": "0"}, nil),
		"by a key whose name is a list": forge(jwt.SigningMethodHS256, h.keys[0], map[string]any{"kid": []string{"0"}}, nil),
		"by a key whose name is a path": forge(jwt.SigningMethodHS256, []byte{}, map[string]any{"kid": "../../dev/null"}, nil),
		"by another algorithm":          forge(jwt.SigningMethodHS512, h.keys[0], nil, nil),
		"by the links' key":             forge(jwt.SigningMethodES256, h.key, nil, nil),
		"by none":                       forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil),
		"without a signature":           part[0] + "." + part[1] + ".",
		"with another's signature":      part[0] + "." + part[1] + "." + strings.Split(h.visit(visitOf(h.bob, grant), 0), ".")[2],
		"its twin with padding":         good + "=",
		"its twin in other bits":        good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])^1]),
		"twice":                         good + good,
		"for links":                     ours(func(c jwt.MapClaims) { c["aud"] = string(token.AudienceSession) }),
		"for pods":                      ours(func(c jwt.MapClaims) { c["aud"] = string(token.AudienceTURN) }),
		"for nothing":                   ours(func(c jwt.MapClaims) { delete(c, "aud") }),
		"of another issuer":             ours(func(c jwt.MapClaims) { c["iss"] = "x" }),
		"without an end":                ours(func(c jwt.MapClaims) { delete(c, "exp") }),
		"of nobody":                     ours(func(c jwt.MapClaims) { delete(c, "sub") }),
		"with no grant":                 ours(func(c jwt.MapClaims) { delete(c, "vdi_signin") }),
		"with two grants":               ours(func(c jwt.MapClaims) { c["vdi_link"] = time.Now().Add(time.Hour).Unix() }),
		"with a share but its secret":   ours(func(c jwt.MapClaims) { delete(c, "vdi_signin"); c["vdi_share"] = "guest" }),
		"with a grant that is a list":   ours(func(c jwt.MapClaims) { c["vdi_signin"] = []string{"signin-a"} }),
	} {
		add(name, raw, closing.BadToken)
	}
	for _, name := range []string{"signin-none", "signin-old", "signin-unsure", "signin-new", "signin-gone", "signin-bob"} {
		add("of a sign-in that does not hold: "+name, h.visit(visitOf(h.alice, visit.Grant{SignIn: name}), 0), closing.SignedOut)
	}
	as := func(user string, grant visit.Grant) string {
		v := visitOf(h.alice, grant)
		v.User = user
		return h.visit(v, 0)
	}
	add("of somebody with whom nothing is shared", as("bob@example.com", visit.Grant{SignIn: "signin-bob"}), closing.NotShared)
	add("of an administrator", as("root@example.com", visit.Grant{SignIn: "signin-admin"}), closing.NotShared)
	add("of somebody whose share has ended", as("dave@example.com", visit.Grant{SignIn: "signin-dave"}), closing.NotShared)
	hash := signin.Hash(secretOf)[:16]
	for name, grant := range map[string]visit.Grant{
		"that is gone": {Share: "gone", Secret: hash}, "that has ended": {Share: "ended", Secret: hash}, "of another secret": {Share: "guest", Secret: "0123456789abcdef"},
		"that is for a user": {Share: "carol", Secret: hash},
	} {
		add("of a share "+name, as("share/x", grant), closing.ShareEnded)
	}
	add("of a link that has ended", as(h.alice.Spec.User, visit.Grant{Link: time.Now().Add(-time.Minute), Key: h.Signer.Verifier().Key()}), closing.ExpiredToken)
	add("of an earlier owner's link", h.visit(visitOf(moved, visit.Grant{Link: time.Now().Add(time.Hour), Key: h.Signer.Verifier().Key()}), 0), closing.ForeignToken)
	add("of a link of a key that was replaced", as(h.alice.Spec.User, visit.Grant{Link: time.Now().Add(time.Hour), Key: "former"}), closing.BadToken)
	all = append(all,
		attack{name: "a cookie as a bearer", who: neighbour, sent: get("/", victim, "Authorization: Bearer "+good), want: "401", why: closing.BadToken},
		attack{name: "a cookie as a link", who: neighbour, sent: get("/?vdi_token="+good, victim), want: "401", why: closing.BadToken},
		attack{name: "a cookie of 1 MB", who: stranger, sent: get("/", victim, ourCookie+strings.Repeat("A", 1<<20)), want: "431", why: closing.HeaderBytes},
		attack{name: "a cookie by the browser's name", who: stranger, sent: get("/", victim, "Cookie: __Host-vdi-browser="+good), want: "401", why: closing.NoToken},
	)
	return all
}

// shares are links of shares that let nobody in.
func shares(h *house) (all []attack) {
	h.sharing()
	add := func(name, at string, why *closing.Refusal) {
		all = append(all, attack{name: name, who: neighbour, sent: get(at, victim, "Accept: text/html"), want: fmt.Sprint(why.Status), why: why, never: []string{secretOf}})
	}
	wrong := strings.Repeat("T", 42) + "A"
	add("after its end", "/?vdi_share=ended."+secretOf, closing.ShareEnded)
	add("beyond its uses", "/?vdi_share=used-up."+secretOf, closing.LinkUsedUp)
	add("with a wrong secret", "/?vdi_share=guest."+wrong, closing.BadToken)
	add("of a share that is gone", "/?vdi_share=gone."+secretOf, closing.BadToken)
	add("of a share without a link", "/?vdi_share=carol."+secretOf, closing.BadToken)
	add("with a hash", "/?vdi_share=guest."+signin.Hash(secretOf), closing.BadToken)
	for name, raw := range map[string]string{
		"empty": "", "a dot": ".", "a name alone": "guest", "no name": "." + secretOf, "in capitals": "GUEST." + secretOf, "padded": "guest." + secretOf + "=",
		"other bits": "guest." + secretOf[:42] + "B", "a line's end": "guest." + secretOf + "%0a", "a path": "../guest." + secretOf, "60 KB": strings.Repeat("a", 50000),
		"two dots": "guest.." + secretOf, "a secret twice": "guest." + secretOf + "." + secretOf, "NUL": "guest%00." + secretOf,
	} {
		add("written wrongly: "+name, "/?vdi_share="+raw, closing.BadToken)
	}
	all = append(all,
		attack{name: "of another session", who: neighbour, sent: get("/?vdi_share=guest."+secretOf, other), want: "401", why: closing.BadToken},
		attack{name: "by a form", who: neighbour, sent: post("/?vdi_share=guest." + secretOf), want: "401", why: closing.NoToken},
		attack{name: "by a WebSocket of another site", who: page, sent: upgrade("/?vdi_share=guest."+secretOf, "Origin: https://evil.example"), want: "403",
			why: closing.ForeignOrigin},
		attack{name: "loaded ahead", who: stranger, sent: get("/?vdi_share=guest."+secretOf, victim, "Sec-Purpose: prefetch"), want: "503", why: closing.Speculative},
		attack{name: "by a mail filter that asks for its head", who: stranger, sent: request("HEAD /?vdi_share=guest."+secretOf+" HTTP/1.1", "Host: "+victim, "Connection: close"),
			want: "503", why: closing.Speculative},
		attack{name: "as an image of another site", who: page, sent: get("/?vdi_share=guest."+secretOf, victim, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image"),
			want: "403", why: closing.ForeignOrigin},
	)
	return all
}

// doors are ways past the sign-in.
func doors(*house) (all []attack) {
	browser := "Cookie: __Host-vdi-browser=" + secretOf
	navigation := []string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}
	enter := func(name, query string, why *closing.Refusal, fields ...string) {
		all = append(all, attack{name: "enter: " + name, who: neighbour, sent: get("/_vdi/enter?"+query, victim, append(fields, navigation...)...),
			want: fmt.Sprint(why.Status), why: why})
	}
	enter("without a browser's cookie", "code="+code("Z"), closing.HandOverBrowser)
	enter("with a cookie that is none", "code="+code("Z"), closing.HandOverBrowser, "Cookie: __Host-vdi-browser=x")
	enter("with another browser's", "code="+code("D"), closing.HandOverBrowser, browser)
	enter("with a code that was used", "code="+code("B"), closing.HandOver, browser)
	enter("with a code that has expired", "code="+code("C"), closing.HandOver, browser)
	enter("with another session's code", "code="+code("E"), closing.HandOver, browser)
	enter("of somebody who has signed out", "code="+code("F"), closing.SignedOut, browser)
	for name, raw := range map[string]string{"none": "", "a short one": "A", "a longer one": code("Z") + "A", "padded": code("Z") + "=", "in other bits": strings.Repeat("Z", 43),
		"of 50 KB": strings.Repeat("A", 50000), "with a line's end": code("Z")[:42] + "%0a"} {
		enter("with a code that is none: "+name, "code="+raw, closing.HandOver, browser)
	}
	for name, kind := range map[string]string{"no JSON": "H", "too much": "I", "nobody": "J", "a redirect": "K", "a reason that nobody knows": "G"} {
		enter("with a portal that answers "+name, "code="+code(kind), closing.PortalAway, browser)
	}
	enter("as an image of another site", "code="+code("Z"), closing.ForeignOrigin, browser, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example")
	enter("loaded ahead", "code="+code("Z"), closing.Speculative, browser, "Sec-Purpose: prefetch")
	all = append(all,
		attack{name: "enter: by a form", who: neighbour, sent: post("/_vdi/enter?code="+code("Z"), browser), want: "405"},
		attack{name: "enter: at an unknown host", who: neighbour, sent: get("/_vdi/enter?code="+code("Z"), "carol--desktops."+domain, browser),
			want: "403",
			why:  closing.HandOver},
		attack{name: "an unknown host by a page load", who: signedOut, sent: get("/", "carol--desktops."+domain, navigation...), want: "303",
			always: []string{"Location: https://" + portalHost + "/open/desktops/carol?"}},
		attack{name: "an unknown host by a program", who: stranger, sent: get("/", "carol--desktops."+domain),
			want: "401", why: closing.NoToken},
		attack{name: "an unknown host by a WebSocket", who: stranger, sent: strings.ReplaceAll(upgrade("/ws"), victim, "carol--desktops."+domain),
			want: "401",
			why:  closing.NoToken},
		attack{name: "an unknown host with a bearer", who: stranger, sent: get("/", "carol--desktops."+domain, "Authorization: Bearer a.b.c"),
			want: "401",
			why:  closing.BadToken},
		attack{name: "a bearer of 1 MB", who: stranger, sent: get("/", victim, "Authorization: Bearer "+strings.Repeat("A", 1<<20)),
			want: "431", why: closing.HeaderBytes},
		attack{name: "a link of 1 MB", who: stranger, sent: get("/?vdi_token="+strings.Repeat("A", 1<<20), victim),
			want: "431", why: closing.HeaderBytes},
		attack{name: "a share's link of 1 MB", who: stranger, sent: get("/?vdi_share=guest."+strings.Repeat("A", 1<<20), victim), want: "431",
			why: closing.HeaderBytes},
		attack{name: "enter: a code of 1 MB", who: stranger, sent: get("/_vdi/enter?code="+strings.Repeat("A", 1<<20), victim),
			want: "431", why: closing.HeaderBytes},
		attack{name: "sign-out: by a link", who: page, sent: get("/_vdi/signout", victim), want: "405"},
		attack{name: "sign-out: by another site's form", who: page, sent: post("/_vdi/signout", "Origin: https://evil.example"), want: "403", why: closing.ForeignOrigin},
		attack{name: "sign-out: by another desktop's", who: page, sent: post("/_vdi/signout", "Origin: https://"+other), want: "403", why: closing.ForeignOrigin},
	)
	for name, to := range map[string]string{"another host": "https://evil.example/", "no scheme": "//evil.example/", "backslashes": `/\evil.example/`,
		"a backslash first": `\/evil.example`, "three slashes": "///evil.example", "a script": "javascript:alert(1)", "a line's end": "/\r\nSet-Cookie: a=b",
		"a host with a name": "//alice@evil.example/", "a tab": "/\t/evil.example", "escapes": "/%5c%5cevil.example", "50 KB": "/" + strings.Repeat("a", 50000),
		"a data URL": "data:text/html,x", "a port": "https:evil.example", "a wide slash": "/\uff0fevil.example"} {
		all = append(all, attack{name: "enter: leads to " + name, who: insider, want: "303", try: func(t *testing.T, h *house) (string, string) {
			got, raw := h.send(t, h.public, get("/_vdi/enter?code="+code("Z")+"&to="+url.QueryEscape(to), victim, append([]string{browser}, navigation...)...))
			resp := located(t, raw)
			base, err := url.Parse("https://" + victim + "/")
			require.NoError(t, err)
			at, err := base.Parse(strings.ReplaceAll(resp, "\\", "/")) // as browsers do
			require.NoError(t, err)
			require.Equal(t, victim, at.Host, resp)
			require.NotContains(t, raw, "a=b\r\n")
			return got, raw
		}})
	}
	for name, at := range map[string]string{"": "/", "with a path of another host": "//evil.example/", "with a link of a share in it": "/?a=https://evil.example"} {
		all = append(all, attack{name: "a page load " + name, who: signedOut, sent: get(at, victim, navigation...), want: "303",
			always: []string{"Location: https://" + portalHost + "/open/desktops/alice?"}, never: []string{"Location: https://evil", "Location: //evil"}})
	}
	for name, fields := range map[string]string{"a script": "Sec-Fetch-Dest: empty", "an image": "Sec-Fetch-Dest: image", "a frame": "Sec-Fetch-Dest: iframe",
		"a program": "Accept: */*"} {
		all = append(all, attack{name: "what is no page load: " + name, who: stranger, sent: get("/", victim, fields), want: "401", why: closing.NoToken,
			never: []string{"Location"}})
	}
	all = append(all, attack{name: "what is no page load: a prefetch", who: stranger, sent: get("/", victim, append(navigation, "Sec-Purpose: prefetch")...), want: "401",
		why: closing.NoToken, never: []string{"Location"}},
		attack{name: "what is no page load: a WebSocket", who: stranger, sent: upgrade("/ws"), want: "401", why: closing.NoToken, never: []string{"Location"}})
	return append(all, portalsHost()...)
}

// fewCodes lets three through.
func fewCodes(c *config.Config) {
	c.Limits.HandoversPerAddress = config.Rate{PerSecond: 1e-6, Burst: 3}
}

// madeUpCodes are guesses of codes: the portal hears of three.
func madeUpCodes(*house) []attack {
	const tries = 40
	return []attack{{name: "again and again", who: neighbour,
		want:    strings.TrimSuffix(strings.Repeat("403 ", 3)+strings.Repeat("429 ", tries-3), " "),
		besides: map[*closing.Refusal]int{closing.HandOver: 3, closing.HandOverAddressRate: tries - 3},
		try: func(t *testing.T, h *house) (string, string) {
			var all []string
			for range tries {
				got, _ := h.send(t, h.public, get("/_vdi/enter?code="+code("B"), victim,
					"Cookie: __Host-vdi-browser="+secretOf, "X-Forwarded-For: 203.0.113.9"))
				all = append(all, got)
			}
			require.Len(t, h.portal.heard, 3)
			told := h.told.Take()
			require.Equal(t, 3, strings.Count(told, `"reason":"handover"`))
			require.Equal(t, 1, strings.Count(told, `"reason":"handovers_per_address"`))
			return strings.Join(all, " "), ""
		}}}
}

// portalsHost are ways to the portal, and past what is told it.
func portalsHost() (all []attack) {
	for name, host := range map[string]string{
		"as it is": portalHost, "in capitals": "PORTAL." + domain, "with a dot at the end": portalHost + ".", "with the port": portalHost + ":443",
		"with a dot and the port": portalHost + ".:443", "with another port": portalHost + ":8443",
	} {
		all = append(all, attack{name: "the portal's host " + name, who: stranger, sent: get("/", host, "X-Forwarded-Host: evil.example", "X-Forwarded-Email: root@corp.example"),
			want: "200", always: []string{"portal " + portalHost + " as:" + portalHost + " user:"}, never: []string{"evil", "root@"}})
	}
	for name, host := range map[string]string{
		"below it": "x." + portalHost, "beside it": "xportal." + domain, "with another behind": portalHost + ".evil.example", "with a space": "portal%20." + domain,
		"with two dots": portalHost + "..",
	} {
		all = append(all, attack{name: "a host " + name, who: stranger, sent: get("/", host), want: "404", why: closing.UnknownHost})
	}
	// By its form it could be a session's.
	all = append(all, attack{name: "a host that is a look-alike in punycode", who: stranger, sent: get("/", "xn--prtal-rye."+domain),
		want: "401", why: closing.NoToken})
	for _, f := range framings() {
		if f.reaches > 0 {
			continue
		}
		sent := request("POST / HTTP/"+f.version, "Host: "+portalHost, f.fields) + strings.ReplaceAll(f.body, "%s", get("/smuggled", portalHost))
		all = append(all, attack{name: "smuggled to the portal: " + f.name, who: stranger, want: f.want, why: f.why,
			try: func(t *testing.T, h *house) (string, string) {
				got, raw := h.send(t, h.public, sent)
				h.portal.mu.Lock()
				defer h.portal.mu.Unlock()
				require.NotContains(t, strings.Join(h.portal.heard, "\n"), "/smuggled")
				return got, raw
			}})
	}
	all = append(all, attack{name: "the portal's host with an upgrade", who: stranger, sent: request("GET /up HTTP/1.1", "Host: "+portalHost, upgrading), want: "200"},
		attack{name: "the portal's host with a cookie of 1 MB", who: stranger, sent: get("/", portalHost, "Cookie: a="+strings.Repeat("A", 1<<20)), want: "431",
			why: closing.HeaderBytes})
	return all
}

// located is where an answer leads.
func located(t *testing.T, raw string) string {
	t.Helper()
	for line := range strings.SplitSeq(raw, "\r\n") {
		if to, is := strings.CutPrefix(line, "Location: "); is {
			return to
		}
	}
	require.Fail(t, "it leads nowhere", raw)
	return ""
}

// forwardedWords are those of somebody who is not the proxy.
func forwardedWords(*house) (all []attack) {
	for name, fields := range map[string]string{
		"as it is": "X-Forwarded-Email: alice@example.org", "with an address of the proxy's": "X-Forwarded-Email: alice@example.org\r\nX-Forwarded-For: 192.0.2.1",
		"with underscores": "X_Forwarded_Email: alice@example.org", "twice": "X-Forwarded-Email: a\r\nX-Forwarded-Email: alice@example.org",
		"of a group": "X-Forwarded-Email: root@example.org\r\nX-Forwarded-Groups: ops", "by other names": "X-Forwarded-User: alice@example.org\r\nX-Auth-Request-Email: alice@example.org",
		"in Forwarded": "Forwarded: for=192.0.2.1;by=192.0.2.1\r\nX-Forwarded-Email: alice@example.org", "with X-Real-IP": "X-Real-Ip: 192.0.2.1\r\nX-Forwarded-Email: alice@example.org",
	} {
		all = append(all, attack{name: "the proxy's word " + name, who: stranger, sent: get("/", victim, fields), want: "401", why: closing.NoToken})
	}
	return all
}

// linksOff are links where there are none.
func linksOff(h *house) []attack {
	h.sharing()
	return []attack{
		{name: "a link", who: neighbour, sent: get("/?vdi_token="+h.Token(token.AudienceSession, h.alice, 0), victim), want: "403", why: closing.LinksOff},
		{name: "a link as a bearer", who: neighbour, sent: get("/", victim, "Authorization: Bearer "+h.Token(token.AudienceSession, h.alice, 0)), want: "403",
			why: closing.LinksOff},
		{name: "a share's", who: neighbour, sent: get("/?vdi_share=guest."+secretOf, victim), want: "403", why: closing.LinksOff},
		{name: "a cookie of a link", who: neighbour, sent: get("/", victim, ourCookie+h.visit(visitOf(h.alice, visit.Grant{Link: time.Now().Add(time.Hour), Key: h.Signer.Verifier().Key()}), 0)), want: "403",
			why: closing.LinksOff},
	}
}

// guest is the field by which a viewer comes.
func (h *house) guest() string {
	v := visitOf(h.alice, visit.Grant{Share: "guest", Secret: signin.Hash(secretOf)[:16]})
	v.User = "share/guest"
	return ourCookie + h.visit(v, 0)
}

// viewersAsleep are ways by which a viewer would wake.
func viewersAsleep(h *house) (all []attack) {
	h.sharing()
	guest := h.guest()
	add := func(name, sent string, want string, why *closing.Refusal) {
		all = append(all, attack{name: "wakes " + name, who: viewer, sent: sent, want: want, why: why})
	}
	add("by a page", get("/", victim, guest, "Accept: text/html"), "200", nil)
	add("by a page that loads itself again", get("/?vdi_refresh=1", victim, guest, "Accept: text/html"), "200", nil)
	add("by its status", get("/_vdi/status", victim, guest), "200", nil)
	add("by a file", get("/app.js", victim, guest), "503", closing.ViewerAsleep)
	add("by the desktop's document", get("/", victim, guest, "Sec-Fetch-Dest: iframe"), "503", closing.ViewerAsleep)
	add("by the button", post("/_vdi/wake", guest), "403", closing.ViewOnly)
	add("by input", post("/_vdi/activity", guest), "403", closing.ViewOnly)
	add("by watching", post("/_vdi/activity?watches=1", guest), "403", closing.ViewOnly)
	add("by taking over", post("/_vdi/take?page="+strings.Repeat("a", 32), guest), "403", closing.ViewOnly)
	add("by the TURN configuration", get("/turn", victim, guest), "503", closing.ViewerAsleep)
	add("by the mode", get("/api/status", victim, guest), "503", closing.ViewerAsleep)
	for _, path := range []string{"/api/websockets", "/api/webrtc/signaling", "/websockets"} {
		add("by a WebSocket at "+path, upgrade(path, guest, "Connection: close"), "503", closing.ViewerAsleep)
	}
	for _, path := range []string{"/ws", "/anything"} {
		add("by a WebSocket at "+path, upgrade(path, guest, "Connection: close"), "403", closing.ViewOnlyProtocol)
	}
	return all
}

// viewers are what a viewer sends who may only look.
func viewers(h *house) (all []attack) {
	h.sharing()
	guest := h.guest()
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
		all = append(all, attack{name: "asks the desktop by " + method, who: viewer, sent: request(method+" /x HTTP/1.1", "Host: "+victim, "Connection: close", "Content-Length: 0", guest),
			want: "403", why: closing.ViewOnly})
	}
	all = append(all, attack{name: "reads files", who: viewer, sent: get("/files/secret.txt", victim, guest), want: "403", why: closing.ViewOnly})
	for _, path := range []string{"/ws", "/signalling/", "/webrtc/signalling", "/vnc", "/"} {
		all = append(all, attack{name: "a WebSocket where nothing can be kept back: " + path, who: viewer, sent: upgrade(path, guest, "Connection: close"), want: "403", why: closing.ViewOnlyProtocol})
	}
	client := func(op ws.OpCode, text string) string {
		f := ws.MaskFrameInPlaceWith(ws.NewFrame(op, true, []byte(text)), [4]byte{1, 2, 3, 4})
		return string(ws.MustCompileFrame(f))
	}
	bye := string(ws.MustCompileFrame(ws.MaskFrameInPlaceWith(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")), [4]byte{1, 2, 3, 4})))
	for _, path := range []string{"/api/websockets", "/websockets", "/x/api/websockets/?role=controller&slot=2&token=t"} {
		for name, text := range map[string]string{
			"a key": "kd,trap", "the pointer": "m,1,2,trap,0", "text": "co,end,trap", "the clipboard": "cw,trap", "a command": "cmd,trap", "a gamepad": "js,b,0,trap,1",
			"a size": "r,trap,primary", "a key behind a word": "START_VIDEO,kd,trap", "a key behind a line": "START_VIDEO\nkd,trap", "an upload": "FILE_UPLOAD_START:trap:1",
		} {
			// What is allowed passes behind it, so that the desktop has heard all that comes.
			sent := upgrade(path, guest, "Origin: https://"+victim) + client(ws.OpText, text) + client(ws.OpBinary, "\x01trap") + client(ws.OpText, "START_VIDEO")
			all = append(all, attack{name: "sends " + name + " at " + path, who: viewer, want: "101 echo START_VIDEO", reaches: 1,
				try: func(t *testing.T, h *house) (string, string) { return spoken(t, h, sent, bye) }, never: []string{"trap", "role=controller", "token=t"}})
		}
	}
	for name, hello := range map[string]string{"a controller": `{"client_type":"controller","client_token":"trap"}`, "two types": `{"client_type":"viewer","client_type":"controller"}`,
		"no strict one": `{"client_type":"viewer","client_strict_viewer":false}`} {
		sent := upgrade("/api/webrtc/signaling", guest, "Origin: https://"+victim) + client(ws.OpText, "HELLO client "+hello)
		all = append(all, attack{name: "says HELLO as " + name, who: viewer, reaches: 1,
			want: `101 echo HELLO client {"client_type":"viewer","client_slot":-1,"client_strict_viewer":true,"client_token":"",` +
				`"display_id":"primary","display_position":"right"}`,
			try: func(t *testing.T, h *house) (string, string) { return spoken(t, h, sent, bye) }, never: []string{"controller", "trap", `viewer":false`}})
	}
	return all
}

// spoken sends what a client says, and then good-bye once the desktop has echoed something; got is
// that.
func spoken(t *testing.T, h *house, sent, bye string) (got, raw string) {
	t.Helper()
	c := h.dial(t, h.public)
	_, err := io.WriteString(c, sent)
	require.NoError(t, err)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	got = fmt.Sprint(resp.StatusCode)
	for {
		f, err := ws.ReadFrame(in)
		require.NoError(t, err)
		raw += string(f.Payload)
		if text, is := strings.CutPrefix(string(f.Payload), "echo "); is {
			got += " echo " + text
			break
		}
	}
	_, err = io.WriteString(c, bye)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, in)
	return got, raw
}
