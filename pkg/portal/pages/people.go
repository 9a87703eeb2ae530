package pages

import (
	"strings"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/presence"
)

// someone is somebody who is connected to a desktop, as a page says it.
type someone struct {
	Who, Does string
	Since     fact
	// Share is what lets them in; empty for the owner.
	Share string
}

// people are those who are connected to a session's desktop. Whoever shows them asks access.SeeWho
// first.
func (v *visit) people(s *v1alpha1.VDISession) (all []someone) {
	for _, p := range presence.In(s, v.now) {
		all = append(all, someone{Who: v.who(p), Does: v.Say("presence." + p.Role), Share: v.lets(s, p),
			Since: fact{Text: v.Say("since", "time", v.Span(v.now.Sub(p.Since.Time))), At: v.moment(p.Since.Time)}})
	}
	return all
}

func (v *visit) who(p v1alpha1.PresentPerson) string {
	if p.Share != "" {
		return v.Say("shares.link", "name", p.Share)
	}
	return p.User
}

// lets is the name of the share that lets somebody in.
func (v *visit) lets(s *v1alpha1.VDISession, p v1alpha1.PresentPerson) string {
	for i := range s.Spec.Shares {
		share := &s.Spec.Shares[i]
		if access.Holds(share, v.now) && (share.Name == p.Share || p.Share == "" && p.User != s.Spec.User && share.User == p.User) {
			return share.Name
		}
	}
	return ""
}

// namesShown is how many names a line has room for.
const namesShown = 3

// names are those who are connected, in a line.
func (v *visit) names(s *v1alpha1.VDISession) string {
	var names []string
	for _, p := range presence.In(s, v.now) {
		names = append(names, v.who(p))
	}
	if more := len(names) - namesShown; more > 0 {
		return v.Say("people.more", "names", strings.Join(names[:namesShown], ", "), "n", more)
	}
	return strings.Join(names, ", ")
}
