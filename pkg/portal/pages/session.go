package pages

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// sessionData is what a session's own page shows.
type sessionData struct {
	Card card
	// Facts are beside those of the card.
	Facts  []fact
	Clocks []fact
	// Shares is nil for those who may not read them.
	Shares *sharesData
	// ViewerNote is for those who may look on only.
	ViewerNote string
}

// session shows a session's own page.
func (p *Pages) session(v *visit) (view, *problem) { return v.sessionPage(newShareForm()) }

// sessionPage is the session's page with its form as it was sent.
func (v *visit) sessionPage(form shareForm) (view, *problem) {
	s, roles, bad := v.found()
	if bad != nil {
		return view{}, bad
	}
	t, bad := v.templateOf(s)
	if bad != nil {
		return view{}, bad
	}
	data := sessionData{Card: v.card(s, t), Facts: v.more(s, t), Clocks: v.clocks(s)}
	if access.Allows(roles, access.SeeWho) {
		data.Shares = v.shares(s, access.Allows(roles, access.Share), form)
	}
	if access.Allows(roles, access.See) && !access.Allows(roles, access.Control) {
		data.ViewerNote = v.Say("session.viewerNote")
	}
	return view{File: "session.html", Title: s.Name, Live: true, Data: data}, nil
}

// templateOf is a session's template; nil where it is not there.
func (v *visit) templateOf(s *v1alpha1.VDISession) (*v1alpha1.VDITemplate, *problem) {
	t := &v1alpha1.VDITemplate{}
	err := v.Pages.Client.Get(v.r.Context(), client.ObjectKey{Name: s.Spec.Template}, t)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, v.failed(err)
	}
	return t, nil
}

// more are facts that a list has no room for.
func (v *visit) more(s *v1alpha1.VDISession, t *v1alpha1.VDITemplate) []fact {
	facts := []fact{{Label: v.Say("fact.owner"), Text: s.Spec.User}, {Label: v.Say("fact.template"), Text: s.Spec.Template}}
	if began := s.Status.StartTime; began != nil {
		facts = append(facts, fact{v.Say("fact.awake"), v.Say("since", "time", v.Span(v.now.Sub(began.Time))), v.moment(began.Time)})
	}
	if costs := v.costs(s, t); costs != nil {
		facts = append(facts, fact{Label: v.Say("fact.costs"), Text: strings.Join(costs, " · ")})
	}
	return append(facts, fact{v.Say("fact.created"), v.Relative(s.CreationTimestamp.Time, v.now), v.moment(s.CreationTimestamp.Time)})
}

// clocks are the session's settings of when it sleeps; none before the operator has seen it.
func (v *visit) clocks(s *v1alpha1.VDISession) (facts []fact) {
	if s.Status.Lifecycle == nil {
		return nil
	}
	for _, c := range slices.Backward(lifecycle.Clocks) { // those that people meet first
		text := v.Say("session.clock.off")
		if set := c.Setting(*s.Status.Lifecycle).OrZero(); set > 0 {
			text = v.Exactly(set)
		}
		facts = append(facts, fact{Label: v.Say("session.clock." + c.Name), Text: text})
	}
	return facts
}

// deletion asks whether a session is to be deleted, and says what becomes of its files.
func (p *Pages) deletion(v *visit) (view, *problem) {
	s, bad := v.allowed(access.Delete)
	if bad != nil {
		return view{}, bad
	}
	t, bad := v.templateOf(s)
	if bad != nil {
		return view{}, bad
	}
	text := v.Say("delete.kept", "template", faceOf(s.Spec.Template, t).Title)
	if losesHome(s, t) {
		text = v.Say("delete.lost")
	}
	return view{File: "delete.html", Title: v.Say("delete.title", "name", s.Name), Data: struct{ Text, Path string }{
		text, sessionPath(s.Namespace, s.Name)}}, nil
}

// losesHome says that a session's files may go with it.
func losesHome(s *v1alpha1.VDISession, t *v1alpha1.VDITemplate) bool {
	if t == nil || !keepsHome(s, t) {
		return true
	}
	keeps := s.Spec.Persistence != nil && s.Spec.Persistence.ReclaimPolicy == v1alpha1.ReclaimRetain
	return t.Spec.Persistence.ReclaimPolicy == v1alpha1.ReclaimDelete && !keeps
}

// wake asks for the desktop, as a visit does.
func (p *Pages) wake(v *visit) {
	s, bad := v.allowed(access.Wake)
	if bad == nil && lifecycle.PoweredOff(s) {
		bad = problemOff
	}
	v.request(s, bad, "wakeAt", audit.Wake)
}

// sleep asks for the desktop's sleep.
func (p *Pages) sleep(v *visit) {
	s, bad := v.allowed(access.Sleep)
	if bad == nil && s.Spec.Power == v1alpha1.PowerAlwaysOn {
		bad = problemAlways
	}
	v.request(s, bad, "sleepAt", audit.Sleep)
}

// request sets a time in the session's spec, which the operator acts on.
func (v *visit) request(s *v1alpha1.VDISession, bad *problem, field string, what audit.Kind) {
	if bad != nil {
		v.problem(bad)
		return
	}
	patch, err := json.Marshal(map[string]any{
		// The API server refuses it for another session that has taken the name.
		"metadata": map[string]any{"uid": s.UID},
		"spec":     map[string]any{field: lifecycle.RequestTime(v.now, s)},
	})
	if err == nil {
		err = v.Pages.Client.Patch(v.r.Context(), s, client.RawPatch(types.MergePatchType, patch))
	}
	if err != nil {
		v.problem(v.failed(err))
		return
	}
	v.did(audit.Event{Event: what}, s)
	v.back(map[audit.Kind]string{audit.Wake: "woken", audit.Sleep: "slept"}[what])
}

// remove deletes the session.
func (p *Pages) remove(v *visit) {
	s, bad := v.allowed(access.Delete)
	if bad != nil {
		v.problem(bad)
		return
	}
	if err := p.Client.Delete(v.r.Context(), s, client.Preconditions{UID: &s.UID}); client.IgnoreNotFound(err) != nil {
		v.problem(v.failed(err))
		return
	}
	v.seen(client.ObjectKeyFromObject(s), func(now *v1alpha1.VDISession, err error) bool {
		return apierrors.IsNotFound(err) || err == nil && !now.DeletionTimestamp.IsZero()
	})
	v.did(audit.Event{Event: audit.Delete}, s)
	to := &url.URL{Path: "/"}
	if s.Spec.User != v.User {
		to.Path = "/admin"
	}
	v.leave(to, "deleted")
}
