package activator

import (
	"context"
	"net/http"
	"time"

	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/verdict"
)

// verdictAsk is how long a desktop may take to say whether it still means its refusal. It
// has answered before; a visitor waits for this.
const verdictAsk = time.Second

func (h *socket) Rejected(status int) (starts bool) {
	s := h.server
	at, ok := h.address()
	switch {
	case !ok:
		return false
	case s.verdicts.MayStillCome(at.Run, status, s.holdLimits(h.Session).HoldTime, time.Now()):
		return true
	}
	s.verdicts.Remember(at, status)
	return false
}

// address is where the socket's upgrade goes now; false while that is nowhere.
func (h *socket) address() (verdict.Upgrade, bool) {
	view, ok := h.server.Directory.Current(h.View)
	if !ok {
		return verdict.Upgrade{}, false
	}
	return verdict.Of(view, h.path)
}

// repeatVerdict answers an upgrade that the desktop has refused a moment ago and, as
// it says when asked once more, would refuse again. It is asked without an upgrade,
// as Selkies 2's client asks: that opens nothing which had to be closed.
func (s *Server) repeatVerdict(w http.ResponseWriter, r *http.Request, v visitor) bool {
	at, ok := verdict.Of(v.View, r.URL.Path)
	if !ok || s.prober.Frozen(v.View) {
		return false
	}
	status := s.verdicts.Recall(at)
	if status == 0 {
		return false
	}
	answer, err := s.ask(r, v)
	if err != nil {
		return false // it is held, like everybody who comes while there is no desktop
	}
	if answer.StatusCode != status {
		s.verdicts.Forget(at)
		return false
	}
	s.reject(w, v, &relay.Rejected{Why: answer.Status, Status: status, Challenge: relay.Challenge(answer)})
	return true
}

// reject answers an upgrade with the desktop's refusal. One that is no refusal of HTTP's is
// a fault of the desktop's.
func (s *Server) reject(w http.ResponseWriter, v visitor, no *relay.Rejected) {
	end, status := no.Ending(), no.Status
	s.Metrics.Refused(end.Label())
	s.Log.Debug("a desktop refuses an upgrade", "namespace", v.Session.Namespace, "session", v.Session.Name, "reason", no.Why)
	if status < http.StatusBadRequest {
		status = http.StatusBadGateway
	}
	if len(no.Challenge) > 0 {
		w.Header()["Www-Authenticate"] = no.Challenge
	}
	s.hurry(w)
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, end.Reason, status)
}

// ask asks the desktop once more, which wakes nothing and counts as no visit.
func (s *Server) ask(r *http.Request, v visitor) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), verdictAsk)
	defer cancel()
	conn, err := s.prober.Dial(ctx, probe.VisitOf(v.Session, time.Time{}))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	return relay.Ask(conn, r, v.face, s.rules)
}
