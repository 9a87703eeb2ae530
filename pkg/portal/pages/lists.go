package pages

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// all reads every session and template. What it returns is the cache's own: nobody may change it.
func all(ctx context.Context, c client.Client) (*everything, error) {
	var sessions v1alpha1.VDISessionList
	var templates v1alpha1.VDITemplateList
	if err := c.List(ctx, &sessions, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	if err := c.List(ctx, &templates, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	e := &everything{sessions: sessions.Items, templates: make(map[string]*v1alpha1.VDITemplate, len(templates.Items)),
		of: map[string][]*v1alpha1.VDISession{}, read: time.Now()}
	for i := range templates.Items {
		e.templates[templates.Items[i].Name] = &templates.Items[i]
	}
	for i := range e.sessions {
		s := &e.sessions[i]
		e.of[s.Spec.User] = append(e.of[s.Spec.User], s)
		for j := range s.Spec.Shares {
			if user := s.Spec.Shares[j].User; user != "" && user != s.Spec.User {
				e.of[user] = append(e.of[user], s)
			}
		}
	}
	return e, nil
}

// everything is what the cache has.
type everything struct {
	sessions  []v1alpha1.VDISession
	templates map[string]*v1alpha1.VDITemplate
	// of are the sessions that name a user.
	of   map[string][]*v1alpha1.VDISession
	read time.Time
}

// owned are a person's own sessions.
func (e *everything) owned(p access.Person) []*v1alpha1.VDISession {
	return e.ofPerson(p, func(s *v1alpha1.VDISession) bool { return s.Spec.User == p.User })
}

// shared are the sessions that others share with a person now.
func (e *everything) shared(p access.Person, now time.Time) []*v1alpha1.VDISession {
	p.Admin = false // who looks after all sessions shares none of them
	return e.ofPerson(p, func(s *v1alpha1.VDISession) bool {
		return s.Spec.User != p.User && access.Allows(access.RolesOf(p, s, now), access.See)
	})
}

func (e *everything) ofPerson(p access.Person, is func(*v1alpha1.VDISession) bool) []*v1alpha1.VDISession {
	var sessions []*v1alpha1.VDISession
	for _, s := range e.of[p.User] {
		if is(s) && !slices.Contains(sessions, s) {
			sessions = append(sessions, s)
		}
	}
	slices.SortFunc(sessions, byName)
	return sessions
}

func byName(a, b *v1alpha1.VDISession) int {
	return strings.Compare(a.Name+"\x00"+a.Namespace, b.Name+"\x00"+b.Namespace)
}

// glanceEvery is how old what live pages show may be: all of them read the cache once.
const glanceEvery = time.Second

// glance is what all live pages share.
type glance struct {
	client client.Client
	mu     sync.Mutex
	last   *everything
}

func (g *glance) take(ctx context.Context) (*everything, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last != nil && time.Since(g.last.read) < glanceEvery {
		return g.last, nil
	}
	next, err := all(ctx, g.client)
	if err != nil {
		return nil, err
	}
	g.last = next
	return next, nil
}

type liveKey struct{}

// everything is what the cache has: at this moment, or for live pages a moment ago.
func (v *visit) everything() (*everything, *problem) {
	read := func(ctx context.Context) (*everything, error) { return all(ctx, v.Pages.Client) }
	if v.r.Context().Value(liveKey{}) != nil {
		read = v.Pages.glance.take
	}
	e, err := read(v.r.Context())
	if err != nil {
		return nil, v.failed(err)
	}
	return e, nil
}
