package pages

import (
	"k8s.io/utils/ptr"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// desktops shows a person's own desktops, and those that others share with them.
func (p *Pages) desktops(v *visit) (view, *problem) {
	e, bad := v.everything()
	if bad != nil {
		return view{}, bad
	}
	data := struct {
		Own, Shared []card
		Used        string
	}{v.cards(e, e.owned(v.Person)), v.cards(e, e.shared(v.Person, v.now)), ""}
	if portal := p.Config.Portal; portal.SessionsNamespace != "" {
		data.Used = v.Say("desktops.used", "n", counted(e.owned(v.Person)), "max", portal.MaxSessionsPerUser)
	}
	return view{File: "desktops.html", Title: v.Say("desktops.title"), Nav: "/", Live: true, Data: data}, nil
}

func (v *visit) cards(e *everything, sessions []*v1alpha1.VDISession) []card {
	cards := make([]card, len(sessions))
	for i, s := range sessions {
		cards[i] = v.card(s, e.templates[s.Spec.Template])
	}
	return cards
}

// counted are those of a person's sessions that count for the limit: one that is being deleted
// makes room.
func counted(sessions []*v1alpha1.VDISession) (n int) {
	for _, s := range sessions {
		if s.DeletionTimestamp.IsZero() {
			n++
		}
	}
	return n
}

// keepsHome says that a session of the template has a home, which no second one may use.
func keepsHome(s *v1alpha1.VDISession, t *v1alpha1.VDITemplate) bool {
	keeps := t == nil || ptr.Deref(t.Spec.Persistence.Enabled, true)
	if s != nil && s.Spec.Persistence != nil {
		keeps = ptr.Deref(s.Spec.Persistence.Enabled, keeps)
	}
	return keeps
}
