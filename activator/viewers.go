package activator

import (
	"context"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/activator/pageapi"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/activator/sockets"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/access"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// looks says that the visitor may only look.
func (v visitor) looks() bool { return !v.who.May(access.Control) }

// refuseViewer says why somebody who may only look gets nothing of what they want; nil for
// everybody else. Pages say more, and turn away themselves.
func refuseViewer(r *http.Request, v visitor) *closing.Refusal {
	switch {
	case !v.looks() || v.wants == wantsOurs:
		return nil
	case !signaling.ViewOnly(v.Session), v.wants == wantsSocket && !signaling.ViewOnlyAt(v.Session, r.URL.Path):
		return closing.ViewOnlyProtocol
	case v.wants == wantsPage || v.wants == wantsRefresh:
		return nil
	case !lifecycle.Runs(v.Session):
		return closing.ViewerAsleep
	case r.Method != http.MethodGet && r.Method != http.MethodHead, isFiles(r.URL.Path), isPassage(r.URL.Path):
		return closing.ViewOnly
	}
	return nil
}

// turnDown answers somebody who may come in, and not have this.
func (s *Server) turnDown(w http.ResponseWriter, v visitor, from string, why *closing.Refusal) {
	s.overreached(v, from, why)
	switch {
	case why.Title != "" && v.wants != wantsSocket:
		s.refuseVisitor(w, why)
	case v.wants == wantsFrame:
		s.count(why.Ending())
		page.WriteNothing(w)
	default:
		s.refuse(w, why.Ending())
	}
}

// enterAs counts a visit from an address, which wakes the desktop if the visitor may do that.
func (s *Server) enterAs(who auth.Visitor, session *v1alpha1.VDISession, from string) *wake.Visit {
	if s.wakes(who, session, from) {
		return s.Tracker.Enter(session)
	}
	return s.Tracker.Look(session)
}

// attendAs is enterAs for a WebSocket: while it is open, the session says who is connected.
func (s *Server) attendAs(who auth.Visitor, session *v1alpha1.VDISession, from string) *wake.Visit {
	by := said(who, from)
	return s.Tracker.Attend(session, by.User, by.Share, string(by.Role), s.wakes(who, session, from))
}

// countVisit counts those who come without an exchange for a cookie.
func (s *Server) countVisit(v visitor) {
	if v.who.By == auth.ByForwarded || v.who.By == auth.ByIssuer {
		s.Metrics.Visits.WithLabelValues(string(v.who.By)).Inc()
	}
}

// member is something that the visitor has open.
func (v visitor) member(conn sockets.Conn) *sockets.Member {
	return &sockets.Member{Session: v.Key(), Visitor: v.who, Access: v.Session.Status.Access, Conn: conn}
}

// serveOurs serves a path of ours. A stream of events ends when what lets its visitor in does.
func (s *Server) serveOurs(w http.ResponseWriter, r *http.Request, v visitor) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	member := v.member(request(cancel))
	member.Stays, member.Bound = true, true
	s.sockets.Add(member)
	defer s.sockets.Drop(member)
	s.pages.Serve(w, r.WithContext(ctx), pageapi.Visitor{View: v.View, Face: v.face, Who: v.who, From: s.from(r)})
}

// reviewEvery is how often it is looked whether what lets people in still holds, beside each
// change that is known at once: an end by the clock is none.
const reviewEvery = 10 * time.Second

// reviewing looks until ctx ends.
func (s *Server) reviewing(ctx context.Context) {
	beat := time.NewTicker(reviewEvery)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			s.review(func(*sockets.Member) bool { return true })
		case <-ctx.Done():
			return
		}
	}
}

// review ends what is open, of those, by a right that has ended, or by one that says something
// else now; and what was opened under another access policy than the desktop wakes with.
func (s *Server) review(those func(*sockets.Member) bool) {
	now := time.Now()
	s.sockets.Review(func(m *sockets.Member) error {
		if !those(m) {
			return nil
		}
		view, ok := s.Directory.View(m.Session)
		if !ok {
			return nil // it ends for that
		}
		if why := s.ended(m.Visitor, view.Session, now); why != nil {
			return why.Ending()
		}
		return outdated(m, view.Session)
	})
}

// reviewSession reviews what is open of one session.
func (s *Server) reviewSession(session *v1alpha1.VDISession) {
	key := client.ObjectKeyFromObject(session)
	s.review(func(m *sockets.Member) bool { return m.Session == key })
}

// outdated says that something is open under another access policy than the session's is now.
func outdated(m *sockets.Member, session *v1alpha1.VDISession) error {
	if m.Bound && !equality.Semantic.DeepEqual(m.Access, session.Status.Access) {
		return closing.AccessChanged.Ending()
	}
	return nil
}

// ended says why a visitor may not go on; nil where they may.
func (s *Server) ended(v auth.Visitor, session *v1alpha1.VDISession, now time.Time) *closing.Refusal {
	roles, err := s.Guard.Holds(v, session, now)
	if err != nil {
		switch why := refusalOf(err); why {
		case closing.ExpiredToken, closing.BadToken:
			return closing.LinkExpired
		case closing.SignedOut:
			return why
		}
		return closing.ShareEnded
	}
	for _, do := range []access.Action{access.Control, access.Wake} {
		if access.Allows(roles, do) != v.May(do) {
			return closing.RoleChanged
		}
	}
	return nil
}

// renewed is a writer whose answer renews the visitor's cookie where that is due: no answer that a
// cache of many people's might keep.
func (s *Server) renewed(w http.ResponseWriter, at addressed, v auth.Visitor) http.ResponseWriter {
	cookie := s.Guard.Renewal(v, at.face)
	if cookie == nil || isUpgrade(at.Request) {
		return w
	}
	return &page.Changed{ResponseWriter: w, Change: func(h http.Header) {
		control := strings.ToLower(strings.Join(h.Values("Cache-Control"), ","))
		switch {
		case control == "":
			h.Set("Cache-Control", "private")
		case !strings.Contains(control, "private") && !strings.Contains(control, "no-store"):
			return
		}
		h.Add("Set-Cookie", cookie.String())
	}}
}
