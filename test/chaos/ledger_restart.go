package chaos

import (
	"fmt"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// judgeEnd looks, when a pod that was ready begins to end, whether its desktop has slept since
// it was ready. Where it has not, somebody's desktop was taken away: that may only be a step's
// doing. One whose desktop a step let crash has nothing to lose: a change may be what mends it,
// as pkg/controller/session says of a start that is stuck. So has one whose status was lost.
func (l *Ledger) judgeEnd(one *podLife, revision uint64, at time.Time) {
	if one.ready == 0 {
		return // nobody could be in there
	}
	l.later(judgement{at: at, revision: revision, of: NoRestartInUse, session: sessionOf(one.Pod), judge: func() string {
		name := one.Labels[v1alpha1.LabelSession]
		rested := l.between(one.Namespace, name, one.ready, revision, func(before, now version) bool { return sleeps(before, now) || forgets(before, now) })
		if rested || l.unknown(one.ready, revision) || l.killed[one.UID] > 0 || l.crashed[one.UID] > 0 || l.orphaned(one.Namespace, name) {
			return ""
		}
		return fmt.Sprintf("pod %s/%s of the awake session %s was taken away at revision %d; it was ready since %d", one.Namespace, one.Name, name, revision, one.ready)
	}})
}

// orphaned says that the session is gone, or being deleted, as far as was seen.
func (l *Ledger) orphaned(namespace, name string) bool {
	all := l.of(namespace, name)
	return len(all) == 0 || all[len(all)-1].gone
}
