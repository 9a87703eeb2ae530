package pages

import (
	"bytes"
	"context"
	"html/template"
	"net/http"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/portal/text"
)

var templates = template.Must(template.ParseFS(files, "html/*.html"))

// page makes what a page shows.
type page func(*visit) (view, *problem)

// view is a page: its file, and what it shows.
type view struct {
	Status int
	File   string
	Title  string
	// Nav is the link of the navigation that leads here.
	Nav string
	// Live says that the page changes by itself.
	Live bool
	Data any
}

// visit is a request of somebody who has signed in.
type visit struct {
	*text.Tongue
	Visitor
	Pages *Pages
	w     http.ResponseWriter
	r     *http.Request
	now   time.Time
}

// visited serves people who have signed in, and sends others to where they do.
func (p *Pages) visited(serve func(*visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, signedIn := p.Visitor(r)
		if !signedIn {
			if r.Method != http.MethodGet || r.URL.Path == "/events" {
				http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
				return
			}
			http.Redirect(w, r, "/signin?to="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return
		}
		serve(&visit{Tongue: text.Of(r), Visitor: who, Pages: p, w: w, r: r, now: time.Now()})
	}
}

// found is the session of the request's path where the visitor may read it.
func (v *visit) found() (*v1alpha1.VDISession, []access.Role, *problem) {
	s := &v1alpha1.VDISession{}
	key := client.ObjectKey{Namespace: v.r.PathValue("namespace"), Name: v.r.PathValue("name")}
	err := v.Pages.Client.Get(v.r.Context(), key, s)
	switch roles := access.RolesOf(v.Person, s, v.now); {
	case apierrors.IsNotFound(err):
		return nil, nil, problemNotFound
	case err != nil:
		return nil, nil, v.failed(err)
	case !access.Allows(roles, access.Inspect):
		v.did(audit.Event{Event: audit.Refused, Reason: "no_role"}, s)
		return nil, nil, problemNotFound
	default:
		return s, roles, nil
	}
}

// allowed is the session of the request's path where the visitor may do that with it.
func (v *visit) allowed(do access.Action) (*v1alpha1.VDISession, *problem) {
	s, roles, bad := v.found()
	if bad == nil && !access.Allows(roles, do) {
		v.did(audit.Event{Event: audit.Refused, Reason: "role"}, s)
		return nil, problemForbidden
	}
	return s, bad
}

// acts are what a role lets a person do, by the audit's events of it.
var acts = map[audit.Kind]access.Action{audit.Wake: access.Wake, audit.Sleep: access.Sleep, audit.Share: access.Share,
	audit.ShareEnded: access.Share, audit.Delete: access.Delete}

// did tells the audit what the visitor has done with a session, or was refused.
func (v *visit) did(e audit.Event, s *v1alpha1.VDISession) {
	e.User, e.Via, e.From = v.User, v.Via, v.From
	e.Role = access.By(access.RolesOf(v.Person, s, v.now), acts[e.Event])
	v.Pages.Audit.Event(e.Of(s))
}

// show answers with a page.
func (v *visit) show(of page) {
	shown, bad := of(v)
	if bad != nil {
		v.problem(bad)
		return
	}
	v.render(shown)
}

// frame is what is around each page.
type frame struct {
	*visit
	view
	// At is the page's own address, for its live updates.
	At string
	// Done says what the form before has done.
	Done string
}

// Starts says that people may start desktops of their own here.
func (f frame) Starts() bool { return f.Pages.Config.Portal.SessionsNamespace != "" }

// framedCard is a card with what is around its page.
type framedCard struct {
	V    frame
	Card card
	// Links says that its actions have links to its page, too.
	Links bool
}

// With is a card in a list.
func (f frame) With(c card) framedCard { return framedCard{V: f, Card: c} }

// Linked is a card whose actions have links to its page.
func (f frame) Linked(c card) framedCard { return framedCard{V: f, Card: c, Links: true} }

func (v *visit) framed(shown view) frame {
	f := frame{visit: v, view: shown, At: v.r.URL.RequestURI()}
	if done := "done." + v.r.URL.Query().Get("done"); v.Has(done) {
		f.Done = v.Say(done)
	}
	return f
}

func (v *visit) render(shown view) {
	if shown.Status == 0 {
		shown.Status = http.StatusOK
	}
	body, err := rendered("page.html", v.framed(shown))
	if err != nil {
		v.Pages.Log.Error(err, "a page could not be made", "page", shown.File)
		http.Error(v.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Tag.String())
	h.Set("Vary", "Accept-Language, Cookie")
	v.w.WriteHeader(shown.Status)
	_, _ = v.w.Write(body)
}

func rendered(file string, data any) ([]byte, error) {
	var body bytes.Buffer
	err := templates.ExecuteTemplate(&body, file, data)
	return body.Bytes(), err
}

// Main is the page without what is around it.
func (f frame) Main() (template.HTML, error) {
	body, err := rendered(f.File, f)
	return template.HTML(body), err // a template of ours has escaped it
}

// back leads to the page that a form was on, and says there what it has done.
func (v *visit) back(done string) {
	v.leave(v.origin(), done)
}

// leave leads to a page of ours, and says there what was done.
func (v *visit) leave(to *url.URL, done string) {
	query := to.Query()
	query.Set("done", done)
	http.Redirect(v.w, v.r, to.EscapedPath()+"?"+query.Encode(), http.StatusSeeOther)
}

// origin is the page that a form was on: the list, or one that the form names.
func (v *visit) origin() *url.URL {
	at, err := url.Parse(v.r.PostFormValue("back"))
	if err != nil || at.Host != "" || at.Scheme != "" {
		return &url.URL{Path: "/"}
	}
	for _, ours := range []string{"/admin", sessionPath(v.r.PathValue("namespace"), v.r.PathValue("name"))} {
		if at.Path == ours {
			return &url.URL{Path: at.Path, RawQuery: at.RawQuery}
		}
	}
	return &url.URL{Path: "/"}
}

// sessionPath is where a session's page is.
func sessionPath(namespace, name string) string {
	return "/sessions/" + url.PathEscape(namespace) + "/" + url.PathEscape(name)
}

const (
	// seenWithin is how long a change that was written may take to be seen in the cache.
	seenWithin = 2 * time.Second
	lookEvery  = 20 * time.Millisecond
)

// seen waits until the cache shows a change of a session, so that the next page does. If it takes
// too long, the page shows it later.
func (v *visit) seen(key client.ObjectKey, is func(*v1alpha1.VDISession, error) bool) {
	ctx, cancel := context.WithTimeout(v.r.Context(), seenWithin)
	defer cancel()
	for {
		s := &v1alpha1.VDISession{}
		if err := v.Pages.Client.Get(ctx, key, s); is(s, err) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
	}
}
