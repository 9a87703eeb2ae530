// Package verdict remembers the upgrades that desktops refused a moment ago.
//
// A visitor's upgrade is accepted before the desktop is asked, so its refusal can only
// close the WebSocket. What is remembered lets the next upgrade fail as it would have at
// the desktop itself. The package asks no desktop whether it still means it.
package verdict

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/lru"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// keptFor is how long a desktop's refusal is remembered. Selkies 2's client
	// changes its mode after one failed upgrade, 5 s after the last connection, in
	// WebSockets mode, and after four in a row, 3 s apart, in WebRTC mode (selkies
	// 3a0bc7a, selkies-ws-core.js:5651 and signaling.js, _scheduleRetry). An upgrade
	// that is accepted between them begins the count anew.
	keptFor = 30 * time.Second
	// maxVerdicts and maxPath, in bytes, bound what is kept to some 2 MB; the longest
	// unused is forgotten first.
	maxVerdicts = 1 << 12
	maxPath     = 256
)

// definite are the answers that a client understands better as the answer to its
// upgrade than as a close code. First of all 409, with which Selkies 2 refuses the
// connections of the mode that it is not in: its client checks for that after an
// upgrade that failed, and after no other.
var definite = []int{http.StatusConflict, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone}

// Verdicts are what a replica remembers.
type Verdicts struct {
	// refused has the status of each Upgrade that was refused.
	refused *cache.LRUExpireCache
	// there has the runs of which an upgrade has succeeded, with a zero time, or that have
	// broken off since, with the time of that.
	there *lru.Cache
}

// New remembers nothing yet.
func New() *Verdicts {
	return &Verdicts{refused: cache.NewLRUExpireCache(maxVerdicts), there: lru.New(maxVerdicts)}
}

// Run is one run of a pod's container; Began is zero until the API shows it.
type Run struct {
	Pod   types.UID
	Began time.Time
}

// Upgrade is where an upgrade goes. A session's next pod has other ones.
type Upgrade struct {
	Session types.UID
	Run     Run
	Path    string
}

// Path is what a socket keeps of its upgrade's path, without what else was read with it:
// nothing of a path that is too long to be remembered.
func Path(path string) string {
	if len(path) > maxPath {
		return ""
	}
	return strings.Clone(path)
}

// Of is where an upgrade at path goes; false while that is nowhere.
func Of(view directory.View, path string) (Upgrade, bool) {
	if lifecycle.Asleep(view.Session) || view.Pod == nil {
		return Upgrade{}, false
	}
	return Upgrade{Session: view.Session.UID, Run: Run{view.Pod.UID, view.Pod.StartedAt}, Path: path}, true
}

// Took notes that the desktop took an upgrade.
func (v *Verdicts) Took(run Run) { v.there.Add(run, time.Time{}) }

// BrokeOff notes that the desktop ended a connection: it may be about to start again
// behind a web server that stays.
func (v *Verdicts) BrokeOff(run Run, now time.Time) { v.there.Add(run, now) }

// MayStillCome says that a refusal may well mean that the desktop is still to come: the web
// servers in front of Selkies in linuxserver.io's images and of docker-nvidia-egl-desktop
// answer 404 while it starts, since the page for their 502 is not there. It is believed
// until an upgrade has succeeded, and for as long as a start may take.
func (v *Verdicts) MayStillCome(run Run, status int, within time.Duration, now time.Time) bool {
	since := run.Began
	if broke, ok := v.there.Get(run); ok {
		if since = broke.(time.Time); since.IsZero() {
			return false
		}
	}
	return status == http.StatusNotFound && (since.IsZero() || now.Sub(since) < within)
}

// Remember notes an answer, unless it may be another one in a moment.
func (v *Verdicts) Remember(at Upgrade, status int) {
	if slices.Contains(definite, status) && at.Path != "" && len(at.Path) <= maxPath {
		v.refused.Add(at, status, keptFor)
	}
}

// Recall returns the status that was answered; 0 when none is known.
func (v *Verdicts) Recall(at Upgrade) int {
	status, _ := v.refused.Get(at)
	known, _ := status.(int)
	return known
}

// Forget drops an answer that is no longer given.
func (v *Verdicts) Forget(at Upgrade) { v.refused.Remove(at) }
