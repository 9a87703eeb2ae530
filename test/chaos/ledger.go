package chaos

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// Ledger is what a round has seen: each version of each session and pod in their order, who was
// connected, which programs were well. Its invariants are judged from that alone.
type Ledger struct {
	// Prefix begins the names of the round's namespaces; all others are left alone.
	Prefix string
	// Health is when the programs were well.
	Health *Health

	mu sync.Mutex
	// All that follows is guarded by mu.
	lives   []*life
	byUID   map[types.UID]*life
	pods    map[types.UID]*podLife
	killed  map[types.UID]int
	crashed map[types.UID]int
	visits  []*visit
	typed   []typing
	gaps    []gap
	reached uint64
	// shapes are the revisions at which each Deployment got another pod's shape.
	shapes     map[client.ObjectKey]*shape
	pending    []judgement
	violations []Violation
}

// NewLedger is one of a round whose namespaces begin with prefix.
func NewLedger(prefix string, health *Health) *Ledger {
	return &Ledger{Prefix: prefix, Health: health, byUID: map[types.UID]*life{}, pods: map[types.UID]*podLife{}, killed: map[types.UID]int{}, crashed: map[types.UID]int{},
		shapes: map[client.ObjectKey]*shape{}}
}

// version is a session as it was once.
type version struct {
	revision uint64
	at       time.Time
	*v1alpha1.VDISession
	// gap says that versions before it may not have been seen.
	gap bool
}

// shape is what a Deployment's pods are like, when that was changed, when it asked for a pod after
// it had asked for none, and when it asked for none any more.
type shape struct {
	now            *appsv1.Deployment
	changed, asked []uint64
	stopped        []uint64
	// shapes are those that it had, each from a revision on.
	shapes []podShape
}

// podShape is what a Deployment asks of its pods from a revision on.
type podShape struct {
	from       uint64
	containers []corev1.Container
}

// gap is between two revisions.
type gap struct{ from, to uint64 }

// life is a session from its creation on.
type life struct {
	versions []version
	gone     bool
}

func (l *life) last() version { return l.versions[len(l.versions)-1] }

// podLife is a pod from its creation on.
type podLife struct {
	*corev1.Pod
	made uint64
	// ready is the revision of when it was first ready; 0 is never.
	ready uint64
	// ended is the revision of when it was first seen to be deleted, or gone; 0 is not yet.
	ended uint64
	gone  bool
	// beside is whether another pod had its home when it was made.
	beside bool
}

// judgement is what can be judged once all that was before it has been seen.
type judgement struct {
	at time.Time
	// revision is up to which sessions must have been seen.
	revision uint64
	judge    func() (what string)
	// of is the invariant that a word of judge breaks, session whose.
	of, session string
}

func revision(o client.Object) uint64 {
	n, _ := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
	return n
}

// SawSession notes a session's version that was seen at a time.
func (l *Ledger) SawSession(s *v1alpha1.VDISession, at time.Time, gap bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !strings.HasPrefix(s.Namespace, l.Prefix) {
		return
	}
	now := version{revision: revision(s), at: at, VDISession: s, gap: gap}
	one := l.byUID[s.UID]
	if one == nil {
		one = &life{}
		l.byUID[s.UID] = one
		l.lives = append(l.lives, one)
	} else {
		before := one.last()
		if before.revision >= now.revision {
			return
		}
		l.judgeSleep(before, now)
	}
	one.versions = append(one.versions, now)
}

// GoneSession notes that a session is gone.
func (l *Ledger) GoneSession(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one := l.byUID[uid]; one != nil {
		one.gone = true
	}
}

// SawPod notes a pod's version.
func (l *Ledger) SawPod(p *corev1.Pod, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !strings.HasPrefix(p.Namespace, l.Prefix) || p.Labels[v1alpha1.LabelSession] == "" {
		return
	}
	one := l.pods[p.UID]
	if one == nil {
		one = &podLife{made: revision(p)}
		l.pods[p.UID] = one
		defer l.judgeHome(one, at)
	}
	one.Pod = p
	if one.ready == 0 && pods.Ready(p) {
		one.ready = revision(p)
	}
	if p.DeletionTimestamp != nil {
		l.ends(one, revision(p), at)
	}
}

// GonePod notes that a pod is gone, at a revision at the latest.
func (l *Ledger) GonePod(p *corev1.Pod, by uint64, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one := l.pods[p.UID]; one != nil && !one.gone {
		one.gone = true
		l.ends(one, by, at)
	}
}

// ends notes the first that is seen of a pod's end.
func (l *Ledger) ends(one *podLife, revision uint64, at time.Time) {
	if one.ended == 0 {
		one.ended = revision
		l.judgeEnd(one, revision, at)
	}
}

// SawDeployment notes a Deployment's version.
func (l *Ledger) SawDeployment(d *appsv1.Deployment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.shapes[client.ObjectKeyFromObject(d)]
	if s == nil {
		s = &shape{now: d, shapes: []podShape{{revision(d), d.Spec.Template.Spec.Containers}}}
		l.shapes[client.ObjectKeyFromObject(d)] = s
	}
	if !equality.Semantic.DeepEqual(&s.now.Spec.Template, &d.Spec.Template) {
		s.changed = append(s.changed, revision(d))
		s.shapes = append(s.shapes, podShape{revision(d), d.Spec.Template.Spec.Containers})
	}
	if asks(d) && (s.now == d || s.now.UID != d.UID || !asks(s.now)) {
		s.asked = append(s.asked, revision(d))
	}
	if s.now != d && asks(s.now) && !asks(d) {
		s.stopped = append(s.stopped, revision(d))
	}
	s.now = d
}

func asks(d *appsv1.Deployment) bool { return d.Spec.Replicas == nil || *d.Spec.Replicas > 0 }

// Killed notes that a step takes a pod away, before it does. The returned function notes that
// the step was refused.
func (l *Ledger) Killed(pod types.UID) (spare func()) { return l.hurt(l.killed, pod) }

// Crashed notes that a step lets a pod's desktop crash, which takes nobody's home.
func (l *Ledger) Crashed(pod types.UID) { l.hurt(l.crashed, pod) }

func (l *Ledger) hurt(how map[types.UID]int, pod types.UID) (spare func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	how[pod]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		how[pod]--
	}
}

// later has something judged when all that became of sessions up to a revision has been seen.
func (l *Ledger) later(j judgement) { l.pending = append(l.pending, j) }

// Reached notes up to which revision all that became of sessions has been seen.
func (l *Ledger) Reached(revision uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reached = max(l.reached, revision)
}

// Broken is what was found to be broken until now, and whether something waits to be judged.
func (l *Ledger) Broken(now time.Time) (broken []Violation, waits bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var still []judgement
	for _, j := range l.pending {
		if j.revision > l.reached || now.Sub(j.at) < settle {
			still = append(still, j)
		} else if what := j.judge(); what != "" {
			l.violations = append(l.violations, Violation{Invariant: j.of, At: j.at, Session: j.session, What: what})
		}
	}
	l.pending = still
	return slices.Clone(l.violations), len(still) > 0
}

// of is the lives that a session's name has had, the last one last.
func (l *Ledger) of(namespace, name string) (found []*life) {
	for _, one := range l.lives {
		if s := one.last(); s.Namespace == namespace && s.Name == name {
			found = append(found, one)
		}
	}
	return found
}

// unknown says that not all is known of what became of sessions between two revisions.
func (l *Ledger) unknown(after, before uint64) bool {
	return slices.ContainsFunc(l.gaps, func(g gap) bool { return g.from < before && g.to > after })
}

// between says that something became of a session after one revision and before another.
func (l *Ledger) between(namespace, name string, after, before uint64, what func(before, now version) bool) bool {
	for _, one := range l.of(namespace, name) {
		for i, v := range one.versions {
			if i > 0 && v.revision > after && v.revision < before && what(one.versions[i-1], v) {
				return true
			}
		}
	}
	return false
}

// sleeps says that a session's version is the first of a sleep, or of its deletion. A desktop's
// wake is recorded after its pod was asked for: that it is not recorded as awake says nothing.
func sleeps(before, now version) bool {
	slept := now.Status.SleepTime != nil && !now.Status.SleepTime.Equal(before.Status.SleepTime)
	return slept || before.DeletionTimestamp == nil && now.DeletionTimestamp != nil
}

// forgets says that somebody took the record of a session's wake away, without which nobody
// knows whether its desktop is to run.
func forgets(before, now version) bool {
	return before.Status.StartTime != nil && now.Status.StartTime == nil || before.Status.ObservedGeneration > 0 && now.Status.ObservedGeneration == 0
}

// Gap notes that not all is known of what happened to sessions between two revisions.
func (l *Ledger) Gap(from, to uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gaps = append(l.gaps, gap{from, to})
}
