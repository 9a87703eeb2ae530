package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/config"
)

// longestUser is spec.user's bound.
const longestUser = 253

// forwarded is a proxy in front whose word is taken.
type forwarded struct {
	config.Forwarded
	from []netip.Prefix
}

func newForwarded(c *config.Forwarded) *forwarded {
	if c == nil {
		return nil
	}
	f := &forwarded{Forwarded: *c}
	for _, cidr := range c.From {
		if p, err := netip.ParsePrefix(cidr); err == nil { // it was validated
			f.from = append(f.from, p.Masked())
		}
	}
	return f
}

// ForwardedFields are the fields by which that proxy speaks: nobody else's are believed, and no
// desktop gets them.
func ForwardedFields(c *config.Forwarded) (names []string) {
	if c == nil {
		return nil
	}
	for _, name := range []string{c.UserHeader, c.GroupsHeader} {
		if name != "" {
			names = append(names, http.CanonicalHeaderKey(name))
		}
	}
	return names
}

// trusts says that a request comes from the proxy itself: whom the connection is from counts,
// not what a field says.
func (f *forwarded) trusts(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	at := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(f.from, func(p netip.Prefix) bool { return p.Contains(at) })
}

// person is who the proxy says visits; false where it says nothing, or more than one thing.
func (f *forwarded) person(r *http.Request) (access.Person, bool) {
	if f == nil || !f.trusts(r) {
		return access.Person{}, false
	}
	users := r.Header.Values(f.UserHeader)
	if len(users) != 1 || users[0] == "" || len(users[0]) > longestUser || strings.ContainsFunc(users[0], func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return access.Person{}, false
	}
	p := access.Person{User: users[0]}
	if f.GroupsHeader != "" {
		for group := range strings.SplitSeq(strings.Join(r.Header.Values(f.GroupsHeader), ","), ",") {
			p.Admin = p.Admin || slices.Contains(f.AdminGroups, strings.TrimSpace(group))
		}
	}
	return p, true
}

// StripForwarded takes the proxy's fields out of a request that is not from it.
func (g *Guard) StripForwarded(r *http.Request, h http.Header) {
	if g.forwarded == nil || g.forwarded.trusts(r) {
		return
	}
	for name := range h {
		if slices.ContainsFunc(ForwardedFields(&g.forwarded.Forwarded), func(field string) bool { return sameField(name, field) }) {
			delete(h, name)
		}
	}
}

// sameField compares names as many programs behind a web server do, to whom _ is -.
func sameField(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, "_", "-"), strings.ReplaceAll(b, "_", "-"))
}
