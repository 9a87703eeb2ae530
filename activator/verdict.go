package activator

import (
	"context"
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// verdictFor is how long a desktop's refusal is remembered. Selkies 2's client
	// changes its mode after one failed upgrade, 5 s after the last connection, in
	// WebSockets mode, and after four in a row, 3 s apart, in WebRTC mode (selkies
	// 3a0bc7a, selkies-ws-core.js:5651 and signaling.js, _scheduleRetry). An upgrade
	// that is accepted between them begins the count anew.
	verdictFor = 30 * time.Second
	// verdictAsk is how long a desktop may take to say whether it still means it. It
	// has answered before; a visitor waits for this.
	verdictAsk = time.Second
	// maxVerdicts and maxVerdictPath, in bytes, bound what is kept to some 2 MB; the
	// longest unused is forgotten first.
	maxVerdicts    = 1 << 12
	maxVerdictPath = 256
)

// definite are the answers that a client understands better as the answer to its
// upgrade than as a close code. First of all 409, with which Selkies 2 refuses the
// connections of the mode that it is not in: its client looks for that after an
// upgrade that failed, and after no other.
var definite = []int{http.StatusConflict, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone}

// verdicts are upgrades that desktops refused a moment ago.
//
// A visitor's upgrade is accepted before the desktop is asked, so its refusal can
// only close the WebSocket. What is remembered lets the next upgrade fail as it would
// have at the desktop itself.
type verdicts struct {
	kept *lru.Cache
	// there are the runs of which an upgrade has succeeded, or that have broken off since,
	// with the time of that.
	there *lru.Cache
}

// podRun is one run of a pod's container; began is zero until the API tells.
type podRun struct {
	pod   types.UID
	began time.Time
}

// upgraded is where an upgrade was refused. A session's next pod has other ones.
type upgraded struct {
	session types.UID
	run     podRun
	path    string
}

type verdict struct {
	status int
	until  time.Time
}

func newVerdicts() verdicts { return verdicts{kept: lru.New(maxVerdicts), there: lru.New(maxVerdicts)} }

// upgraded notes that the desktop took an upgrade.
func (v verdicts) upgraded(at podRun) { v.there.Add(at, struct{}{}) }

// brokeOff notes that the desktop ended a connection: it may be about to start again
// behind a web server that stays.
func (v verdicts) brokeOff(at podRun, now time.Time) { v.there.Add(at, now) }

// mayStillCome says that a refusal may well mean that the desktop is still to come: the web
// servers in front of Selkies in linuxserver.io's images and of docker-nvidia-egl-desktop
// answer 404 while it starts, since the page for their 502 is not there. It is believed
// until an upgrade has succeeded, and for as long as a start may take.
func (v verdicts) mayStillCome(at podRun, status int, within time.Duration, now time.Time) bool {
	since := at.began
	if known, ok := v.there.Get(at); ok {
		broke, is := known.(time.Time)
		if !is {
			return false
		}
		since = broke
	}
	return status == http.StatusNotFound && (since.IsZero() || now.Sub(since) < within)
}

// remember notes an answer, unless it may be another one in a moment.
func (v verdicts) remember(at upgraded, status int, now time.Time) {
	if slices.Contains(definite, status) && len(at.path) <= maxVerdictPath {
		v.kept.Add(at, verdict{status, now.Add(verdictFor)})
	}
}

// recall returns the status that was answered at an address; 0 when none is known.
func (v verdicts) recall(at upgraded, now time.Time) int {
	known, ok := v.kept.Get(at)
	if !ok {
		return 0
	}
	if known := known.(verdict); now.Before(known.until) {
		return known.status
	}
	v.kept.Remove(at)
	return 0
}

// Rejected implements hold.Host.
func (h *socket) Rejected(status int) (starts bool) {
	s := h.server
	at, ok := s.address(h.visitor, h.path)
	switch {
	case !ok:
		return false
	case s.verdicts.mayStillCome(at.run, status, s.holdLimits(h.Session).HoldTime, time.Now()):
		return true
	}
	s.verdicts.remember(at, status, time.Now())
	return false
}

// address is where an upgrade at path goes after a wait; false while that is nowhere.
func (s *Server) address(v visitor, path string) (upgraded, bool) {
	view, ok := s.Directory.Current(v.View)
	if !ok {
		return upgraded{}, false
	}
	return whereTo(view, path)
}

// whereTo is where an upgrade at path goes; false while that is nowhere.
func whereTo(view directory.View, path string) (upgraded, bool) {
	if lifecycle.Asleep(view.Session) || view.Pod == nil {
		return upgraded{}, false
	}
	return upgraded{session: view.Session.UID, run: podRun{view.Pod.UID, view.Pod.StartedAt}, path: path}, true
}

// repeatVerdict answers an upgrade that the desktop has refused a moment ago and, as
// it says when asked once more, would refuse again. It is asked without an upgrade,
// as Selkies 2's client asks: that opens nothing which had to be closed.
func (s *Server) repeatVerdict(w http.ResponseWriter, r *http.Request, v visitor) bool {
	at, ok := whereTo(v.View, r.URL.Path)
	if !ok {
		return false
	}
	status := s.verdicts.recall(at, time.Now())
	if status == 0 {
		return false
	}
	answer, err := s.ask(r, v)
	if err != nil {
		return false // it is held, like everybody who comes while there is no desktop
	}
	if answer.StatusCode != status {
		s.verdicts.kept.Remove(at)
		return false
	}
	again := (&relay.Rejected{Why: answer.Status}).Ending()
	s.Metrics.Refused(again.Label())
	s.Log.Debug("a desktop refuses an upgrade again", "namespace", v.Session.Namespace, "session", v.Session.Name, "status", status)
	if challenge := answer.Header.Values("WWW-Authenticate"); status == http.StatusUnauthorized && len(challenge) > 0 {
		w.Header()["Www-Authenticate"] = challenge
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, again.Reason, status)
	return true
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
	return relay.Ask(conn, r, v.face)
}
