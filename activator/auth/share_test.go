package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/signin"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

var secret = strings.Repeat("S", 42) + "A"

// counting counts uses, up to most.
type counting struct{ uses, most int }

func (c *counting) UseShare(context.Context, *v1alpha1.VDISession, string) error {
	if c.most > 0 && c.uses >= c.most {
		return record.ErrUsedUp
	}
	c.uses++
	return nil
}

func shared(role v1alpha1.ShareRole) *v1alpha1.VDISession {
	s := session("alice", "1")
	s.Spec.Shares = []v1alpha1.Share{{Name: "guest", Role: role, Link: &v1alpha1.ShareLink{SecretHash: signin.Hash(secret)}}}
	return s
}

func TestALinkOfAShareIsCountedOncePerBrowser(t *testing.T) {
	counted := &counting{most: 1}
	g := guardOf(t, Options{Verifier: tokentest.Signer(t).Verifier(), URL: at(true), Auth: config.Auth{Links: true}, Shares: counted})
	s := shared(v1alpha1.ShareViewer)
	w := httptest.NewRecorder()
	by, err := g.Exchange(w, get("/a?b=c&vdi_share=guest."+secret), s, route.Face{})
	require.NoError(t, err)
	assert.Equal(t, ByShare, by)
	assert.Equal(t, "/a?b=c", w.Header().Get("Location"))
	again := get("/?vdi_share=guest." + secret)
	again.AddCookie(w.Result().Cookies()[0])
	_, err = g.Exchange(httptest.NewRecorder(), again, s, route.Face{})
	require.NoError(t, err)
	assert.Equal(t, 1, counted.uses)
	_, err = g.Exchange(httptest.NewRecorder(), get("/?vdi_share=guest."+secret), s, route.Face{})
	require.ErrorIs(t, err, record.ErrUsedUp)

	v, err := g.Check(again, s)
	require.NoError(t, err)
	assert.Equal(t, []access.Role{access.Viewer}, v.Roles)
	assert.False(t, v.May(access.Wake))
	s = shared(v1alpha1.ShareController)
	v, err = g.Check(again, s)
	require.NoError(t, err)
	assert.True(t, v.May(access.Control), "the role is as it is now")
	s.Spec.Shares[0].ExpiresAt = &metav1.Time{Time: time.Now()}
	assert.ErrorIs(t, faultOf(g.Check(again, s)), ErrShareEnded)
	s = shared(v1alpha1.ShareViewer)
	s.Spec.Shares[0].Link.SecretHash = signin.Hash("another")
	assert.ErrorIs(t, faultOf(g.Check(again, s)), ErrShareEnded, "a later share of the name")
	assert.ErrorIs(t, faultOf(g.Check(again, session("bob", "1"))), token.ErrForeign)
}

func TestALinkOfAShareIsNotOpenedTooOften(t *testing.T) {
	counted := &counting{}
	g := guardOf(t, Options{Verifier: tokentest.Signer(t).Verifier(), URL: at(true), Auth: config.Auth{Links: true}, Shares: counted})
	var err error
	for i := 0; i <= usesBurst && err == nil; i++ {
		_, err = g.Exchange(httptest.NewRecorder(), get("/?vdi_share=guest."+secret), shared(v1alpha1.ShareViewer), route.Face{})
	}
	require.ErrorIs(t, err, ErrShareRate)
	assert.Equal(t, usesBurst, counted.uses)
}

func TestWhereLinksAreOffNoneOpens(t *testing.T) {
	signer := tokentest.Signer(t)
	g := guardOf(t, Options{Verifier: signer.Verifier(), URL: at(true), Shares: &counting{}})
	_, err := g.Exchange(httptest.NewRecorder(), get("/?vdi_share=guest."+secret), shared(v1alpha1.ShareViewer), route.Face{})
	require.ErrorIs(t, err, ErrLinksOff)
	_, err = g.Exchange(httptest.NewRecorder(), get("/?vdi_token="+sign(t, signer, "vdi.kasm.io/session", session("alice", "1"), 0)), session("alice", "1"), route.Face{})
	require.ErrorIs(t, err, ErrLinksOff)
}

func TestWhoMayAsMuchAlreadyKeepsWhatTheyHave(t *testing.T) {
	for _, tc := range []struct {
		has  access.Role
		new  access.Role
		want bool
	}{{access.Owner, access.Controller, true}, {access.Controller, access.Viewer, true}, {access.Viewer, access.Viewer, true},
		{access.Viewer, access.Controller, false}, {access.Admin, access.Viewer, false}} {
		assert.Equal(t, tc.want, covers([]access.Role{tc.has}, tc.new), tc)
	}
}

func TestABrowserIsMarkedOnce(t *testing.T) {
	g := guard(t, nil, at(true))
	w := httptest.NewRecorder()
	hash := g.MarkBrowser(w, get("/"), route.Face{})
	c := w.Result().Cookies()[0]
	assert.Equal(t, secureBrowser, c.Name)
	assert.Equal(t, signin.Hash(c.Value), hash)
	r := get("/")
	r.AddCookie(c)
	w = httptest.NewRecorder()
	assert.Equal(t, hash, g.MarkBrowser(w, r, route.Face{}))
	assert.Empty(t, w.Result().Cookies())
	r = get("/")
	r.AddCookie(&http.Cookie{Name: secureBrowser, Value: "planted"})
	_, ok := g.Browser(r)
	assert.False(t, ok)
}

func TestACookieOfNoSignInOpensNothing(t *testing.T) {
	g := guard(t, nil, at(true))
	w := httptest.NewRecorder()
	require.NoError(t, g.Enter(w, session("alice", "1"), route.Face{}, "alice@example.com", "signin-a"))
	c := w.Result().Cookies()[0]
	assert.Equal(t, int(visit.ForSignIn.Seconds()), c.MaxAge)
	r := get("/")
	r.AddCookie(c)
	assert.ErrorIs(t, faultOf(g.Check(r, session("alice", "1"))), ErrSignedOut)
}

func FuzzForwarded(f *testing.F) {
	fwd := newForwarded(&config.Forwarded{UserHeader: "X-User", GroupsHeader: "X-Groups", From: []string{"192.0.2.0/24"}, AdminGroups: []string{"ops"}})
	f.Add("192.0.2.1:1", "alice", "ops,staff")
	f.Fuzz(func(t *testing.T, from, user, groups string) {
		r := get("/")
		r.RemoteAddr, r.Header = from, http.Header{"X-User": {user}, "X-Groups": {groups}}
		if p, ok := fwd.person(r); ok && (p.User != user || user == "" || !fwd.trusts(r)) {
			t.Errorf("%q %q is %+v", from, user, p)
		}
	})
}
