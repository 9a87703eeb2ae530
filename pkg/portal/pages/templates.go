package pages

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
)

const (
	// shownApplications is how many of a template's programs a card names.
	shownApplications = 6
	// maxName is how long the definition of sessions lets a name be.
	maxName = 40
	// suffixLength is how many random characters tell the sessions of a template apart. Nobody
	// learns by them which others there are.
	suffixLength = 5
)

// offer is a template that a person may start from.
type offer struct {
	face
	Name, Description string
	Costs             []string
	Applications      []string
	More              string
	// Have is the desktop with the person's home of this template, and its path.
	Have, HavePath string
	// Invalid says why none can be started.
	Invalid string
	// Suffix is of the name that a session gets: a form that is sent twice makes one.
	Suffix string
}

// templates shows what people may start from.
func (p *Pages) templates(v *visit) (view, *problem) {
	if p.Config.Portal.SessionsNamespace == "" {
		return view{}, problemNotFound
	}
	e, bad := v.everything()
	if bad != nil {
		return view{}, bad
	}
	data := struct {
		Offers []offer
		Used   string
		Full   string
	}{}
	n, most := counted(e.owned(v.Person)), p.Config.Portal.MaxSessionsPerUser
	data.Used = v.Say("desktops.used", "n", n, "max", most)
	if n >= most {
		data.Full = v.Say("templates.full", "n", n, "max", most)
	}
	for _, t := range e.templates {
		data.Offers = append(data.Offers, v.offer(e, t))
	}
	slices.SortFunc(data.Offers, func(a, b offer) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(a.Name, b.Name))
	})
	return view{File: "templates.html", Title: v.Say("templates.title"), Nav: "/templates", Data: data}, nil
}

func (v *visit) offer(e *everything, t *v1alpha1.VDITemplate) offer {
	o := offer{face: faceOf(t.Name, t), Name: t.Name, Description: t.Spec.Description, Costs: v.costs(&v1alpha1.VDISession{}, t),
		Invalid: v.invalid(t), Suffix: rand.String(suffixLength)}
	for _, a := range t.Spec.Applications {
		o.Applications = append(o.Applications, a.Name)
	}
	if more := len(o.Applications) - shownApplications; more > 0 {
		o.Applications, o.More = o.Applications[:shownApplications], v.Say("templates.more", "n", more)
	}
	if s := v.home(e, t); s != nil {
		o.Have, o.HavePath = s.Name, sessionPath(s.Namespace, s.Name)
	}
	return o
}

// home is the person's session that has their home of a template; nil where none has.
func (v *visit) home(e *everything, t *v1alpha1.VDITemplate) *v1alpha1.VDISession {
	if !keepsHome(&v1alpha1.VDISession{}, t) {
		return nil
	}
	for _, s := range e.owned(v.Person) {
		if s.Namespace == v.Pages.Config.Portal.SessionsNamespace && s.Spec.Template == t.Name && keepsHome(s, t) {
			return s
		}
	}
	return nil
}

// invalid says why no desktop can be made of a template here; empty where one can.
func (v *visit) invalid(t *v1alpha1.VDITemplate) string {
	for _, i := range t.Status.Installations {
		if i.Name == v.Pages.Config.Installation.String() {
			if i.Valid == metav1.ConditionFalse {
				return cmp.Or(i.Message, i.Reason)
			}
			return ""
		}
	}
	if c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionValid); c != nil && c.Status == metav1.ConditionFalse {
		return cmp.Or(c.Message, c.Reason)
	}
	return ""
}

// create makes a session of a template for the visitor.
func (p *Pages) create(v *visit) {
	if p.Config.Portal.SessionsNamespace == "" {
		v.problem(problemNotFound)
		return
	}
	// Two at once would each see room for one.
	if _, already := p.starting.LoadOrStore(v.User, true); already {
		v.problem(problemBusy)
		return
	}
	defer p.starting.Delete(v.User)
	s, bad := v.newSession(v.r.PostFormValue("template"), v.r.PostFormValue("suffix"))
	if bad != nil {
		v.problem(bad)
		return
	}
	v.seen(client.ObjectKeyFromObject(s), func(_ *v1alpha1.VDISession, err error) bool { return err == nil })
	v.leave(&url.URL{Path: sessionPath(s.Namespace, s.Name)}, "created")
}

func (v *visit) newSession(template, suffix string) (*v1alpha1.VDISession, *problem) {
	e, bad := v.everything()
	if bad != nil {
		return nil, bad
	}
	t := e.templates[template]
	if t == nil {
		return nil, problemTemplate
	}
	s := &v1alpha1.VDISession{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.Pages.Config.Portal.SessionsNamespace, Name: nameFor(template, suffix)},
		Spec:       v1alpha1.VDISessionSpec{User: v.User, Template: template}}
	for _, own := range e.owned(v.Person) {
		if own.Namespace == s.Namespace && own.Name == s.Name {
			return own, nil // the form was sent twice
		}
	}
	if n, most := counted(e.owned(v.Person)), v.Pages.Config.Portal.MaxSessionsPerUser; n >= most {
		return nil, &problem{status: http.StatusConflict, key: "full", with: []any{"n", n, "max", most}}
	}
	if has := v.home(e, t); has != nil {
		return nil, &problem{status: http.StatusConflict, key: "have", with: []any{"name", has.Name}}
	}
	if why := v.invalid(t); why != "" {
		return nil, &problem{status: http.StatusConflict, key: "badTemplate", said: why}
	}
	err := v.Pages.Client.Create(v.r.Context(), s)
	if apierrors.IsAlreadyExists(err) { // somebody else's
		s.Name = nameFor(template, "")
		err = v.Pages.Client.Create(v.r.Context(), s)
	}
	if apierrors.IsNotFound(err) { // of its namespace
		v.Pages.Log.Error(err, "portal.sessionsNamespace does not exist", "namespace", s.Namespace)
		return nil, &problem{status: http.StatusConflict, key: "refused", said: plain(err)}
	}
	if err != nil {
		return nil, v.failed(err)
	}
	v.did(audit.Event{Event: audit.Create}, s)
	return s, nil
}

// nameFor is a session's name after its template, by the rule of the definition: a letter first,
// no two hyphens in a row, 40 characters at most. A suffix that is none of ours is another one.
func nameFor(template, suffix string) string {
	if len(suffix) != suffixLength || strings.Trim(suffix, "bcdfghjklmnpqrstvwxz2456789") != "" {
		suffix = rand.String(suffixLength)
	}
	for strings.Contains(template, "--") {
		template = strings.ReplaceAll(template, "--", "-")
	}
	if template == "" || template[0] < 'a' || template[0] > 'z' {
		template = "d-" + template
	}
	most := maxName - len("-") - suffixLength
	return strings.Trim(template[:min(len(template), most)], "-") + "-" + suffix
}
