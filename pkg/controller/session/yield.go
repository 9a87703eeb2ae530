package session

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/pods"
	"github.com/org/vdi-operator/pkg/workload"
)

// Indexes of sessions: by what dozing and waiting have to do with each other.
const (
	indexDoze = "status.doze"
	// isDozing are those that doze; gaveWay those that sleep since they gave way.
	isDozing, gaveWay = "dozing", "gaveWay"

	// indexWaits is the resource of which no node has enough for a session, as GPUs.
	indexWaits = "status.waiting.resource"
	// anyResource finds all that wait for one.
	anyResource = "*"
)

const (
	// nodeLookedAt is how often the node of a dozing desktop is looked at: nodes are not watched.
	nodeLookedAt = 30 * time.Second
	// endsWithin is how long a pod may take to end that gave way, at most, for another to be left
	// alone: as long as Knative gives it, and kubelet's own time.
	endsWithin = 2 * time.Minute
	// placedWithin is how long the scheduler may take to place a pod where there is room: it tries
	// again after up to 10 s (kube-scheduler, podMaxBackoffSeconds).
	placedWithin = 12 * time.Second
	// yieldPauseMost bounds the pause between two desktops that give way to one that waits. The
	// pause doubles with each: what keeps its pod from a node may be none of what they hold.
	yieldPauseMost = 2 * time.Hour
)

// yields are the sessions that have a dozing desktop give way to them.
type yields struct {
	// yielding is held while one is chosen.
	yielding sync.Mutex
	// hopes are of each; yielding guards it.
	hopes map[types.UID]hope
}

// hope is what a session that waits may count on.
type hope struct {
	// at is when it was last seen to have a desktop on the way.
	at time.Time
	// gave is how many were chosen for it.
	gave int
}

// pause is how long after at the next one may be chosen.
func (h hope) pause() time.Duration {
	pause := placedWithin
	for range h.gave - 1 {
		pause = min(2*pause, yieldPauseMost)
	}
	return pause
}

// dozeIndex is a session's value of indexDoze.
func dozeIndex(s *v1alpha1.VDISession) []string {
	switch {
	case s.Status.Doze != nil:
		return []string{isDozing}
	case !lifecycle.Awake(s) && lifecycle.SleptBy(s) == lifecycle.ReasonGaveWay:
		return []string{gaveWay}
	}
	return nil
}

// waitsIndex are a session's values of indexWaits.
func waitsIndex(s *v1alpha1.VDISession) []string {
	if w := s.Status.Waiting; w != nil && w.Reason == v1alpha1.ReasonWaitingForGPU && lifecycle.Awake(s) {
		return []string{w.Resource, anyResource}
	}
	return nil
}

// makeRoom has this dozing desktop give way to its node, and to a change of its own.
func (p *pass) makeRoom(ctx context.Context) {
	d := p.session.Status.Doze
	if d == nil || d.Lost || lifecycle.Returned(p.session, p.now) { // a visitor waits for nobody's room
		return
	}
	if p.session.Spec.Power == v1alpha1.PowerAlwaysOn { // it never does, whoever hopes for it
		d.GivesWayTo = ""
		return
	}
	if d.GivesWayTo != "" {
		return
	}
	if p.changeWaits() {
		p.gives("a change of its template or its session", metrics.GaveWayToChange)
		return
	}
	p.returnAt(p.now.Add(nodeLookedAt))
	if p.nodes.needs(ctx, p.API, p.now, d.Node).leaves {
		p.gives(fmt.Sprintf("node %s, which takes no pods: it is cordoned or drained", d.Node), metrics.GaveWayToDrain)
	}
}

// gives has this dozing desktop give way.
func (p *pass) gives(to string, counted metrics.GaveWayTo) {
	p.session.Status.Doze.GivesWayTo = to
	p.happened = append(p.happened, func() { p.Metrics.GaveWay(counted) })
}

// seekRoom has a desktop give way that holds the GPUs which this one waits for: one of a warm
// pool, which nobody has used, or else the one that has dozed longest, and one for each that waits.
// Whoever is back at it meanwhile keeps it.
func (p *pass) seekRoom(ctx context.Context) error {
	progress := p.observed.Progress
	if p.Programs == nil && p.Pool == nil || !p.decision.Awake || p.observed.Pod == nil ||
		progress.Reason != v1alpha1.ReasonWaitingForGPU || progress.Resource == "" {
		return nil
	}
	p.yielding.Lock()
	defer p.yielding.Unlock()
	if p.hopes == nil {
		p.hopes = map[types.UID]hope{}
	}
	name := corev1.ResourceName(progress.Resource)
	holds, err := p.holders(ctx, name)
	if err != nil {
		return err
	}
	helpsNot := func(pod *corev1.Pod) bool { return !p.helped(ctx, p.observed.Pod, name, pod) }
	holds.onTheWay = slices.DeleteFunc(holds.onTheWay, helpsNot)
	before, err := p.waitBefore(ctx, name, holds.onTheWay)
	hopes := p.hopes[p.session.UID]
	switch {
	case err != nil:
		return err
	case len(holds.onTheWay) > before:
		hopes.at = p.now
		p.hopes[p.session.UID] = hopes
		return nil
	case p.now.Sub(hopes.at) < hopes.pause(): // what was on the way is there
		p.returnAt(hopes.at.Add(hopes.pause()))
		return nil
	}
	maps.DeleteFunc(p.hopes, func(of types.UID, h hope) bool { return of != p.session.UID && p.now.Sub(h.at) >= 2*h.pause() })
	if waits := slices.DeleteFunc(holds.pool, helpsNot); len(waits) > 0 {
		return p.takePlace(ctx, waits[0])
	}
	holds.dozing = slices.DeleteFunc(holds.dozing, func(h holder) bool { return helpsNot(h.pod) })
	if len(holds.dozing) == 0 {
		return nil // the next one that dozes brings another pass
	}
	longest := slices.MinFunc(holds.dozing, func(a, b holder) int {
		return cmp.Or(a.session.Status.Doze.Since.Compare(b.session.Status.Doze.Since.Time), cmp.Compare(a.session.UID, b.session.UID))
	}).session
	err = p.endDozing(ctx, longest, fmt.Sprintf("session %s, which waits for %s", client.ObjectKeyFromObject(p.session), progress.Resource),
		metrics.GaveWayToGPU)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		p.returnAt(p.now.Add(conflictRetry))
		return nil
	}
	if err == nil {
		p.hopes[p.session.UID] = hope{p.now, hopes.gave + 1}
	}
	return err
}

// endDozing tells a dozing desktop to give way. Whoever is back at it meanwhile keeps it.
func (r *Reconciler) endDozing(ctx context.Context, s *v1alpha1.VDISession, to string, counted metrics.GaveWayTo) error {
	gives := s.DeepCopy()
	gives.Status.Doze.GivesWayTo = to
	if err := r.Client.Status().Patch(ctx, gives, client.MergeFromWithOptions(s, client.MergeFromWithOptimisticLock{})); err != nil {
		return err
	}
	r.Metrics.GaveWay(counted)
	return nil
}

// endWaiting ends a pod of a warm pool, as it was read: a session may claim it at this moment.
func (r *Reconciler) endWaiting(ctx context.Context, pod *corev1.Pod, counted metrics.GaveWayTo) error {
	if err := r.Client.Delete(ctx, pod, client.Preconditions{UID: &pod.UID, ResourceVersion: &pod.ResourceVersion}); err != nil {
		return err
	}
	r.Metrics.GaveWay(counted)
	ctrl.LoggerFrom(ctx).Info("a desktop of a warm pool gives way", "namespace", pod.Namespace, "pod", pod.Name, "to", counted)
	return nil
}

// takePlace ends a pod of a warm pool.
func (p *pass) takePlace(ctx context.Context, pod *corev1.Pod) error {
	err := p.endWaiting(ctx, pod, metrics.GaveWayToGPU)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		p.returnAt(p.now.Add(conflictRetry))
		return nil
	}
	if err == nil {
		p.hopes[p.session.UID] = hope{p.now, p.hopes[p.session.UID].gave + 1}
		p.returnAt(p.now.Add(placedWithin))
	}
	return err
}

// helped says that a pod that waits may take the place of one that holds so much of a resource.
func (p *pass) helped(ctx context.Context, waits *corev1.Pod, name corev1.ResourceName, holds *corev1.Pod) bool {
	asked, held := asks(waits, name), asks(holds, name)
	return held.Cmp(asked) >= 0 && p.nodes.needs(ctx, p.API, p.now, holds.Spec.NodeName).takes(waits)
}

// holder is a session whose pod holds a resource.
type holder struct {
	session *v1alpha1.VDISession
	pod     *corev1.Pod
}

// holders are those of a resource that have left it, or could.
type holders struct {
	// dozing could give way.
	dozing []holder
	// pool are pods of warm pools, which give way first.
	pool []*corev1.Pod
	// onTheWay are the pods of those that do, or have, and that still end.
	onTheWay []*corev1.Pod
}

func (p *pass) holders(ctx context.Context, name corev1.ResourceName) (h holders, err error) {
	wait := &corev1.PodList{}
	if err := p.Client.List(ctx, wait, client.MatchingLabels{v1alpha1.LabelSession: ""}); err != nil {
		return h, fmt.Errorf("find what warm pools hold: %w", err)
	}
	for i := range wait.Items {
		pod := &wait.Items[i]
		switch amount := asks(pod, name); {
		case amount.IsZero() || !scheduled(pod) || pods.Ended(pod):
		case pod.DeletionTimestamp != nil:
			h.onTheWay = append(h.onTheWay, pod)
		default:
			h.pool = append(h.pool, pod)
		}
	}
	for _, which := range []string{isDozing, gaveWay} {
		list := &v1alpha1.VDISessionList{}
		if err := p.Client.List(ctx, list, client.MatchingFields{indexDoze: which}, client.UnsafeDisableDeepCopy); err != nil {
			return h, fmt.Errorf("find who dozes: %w", err)
		}
		for i := range list.Items {
			s := &list.Items[i]
			if which == gaveWay && p.now.Sub(lifecycle.Slept(s)) > endsWithin {
				continue
			}
			held, err := workload.PodsOf(ctx, p.Client, s)
			if err != nil {
				return h, fmt.Errorf("find what %s/%s holds: %w", s.Namespace, s.Name, err)
			}
			for j := range held {
				amount := asks(held[j], name)
				switch d := s.Status.Doze; {
				case amount.IsZero(), d != nil && s.Spec.Power == v1alpha1.PowerAlwaysOn:
				case d == nil || d.GivesWayTo != "":
					h.onTheWay = append(h.onTheWay, held[j])
				case !d.Lost && held[j].UID == d.PodUID && !lifecycle.Returned(s, p.now):
					h.dozing = append(h.dozing, holder{s, held[j]})
				}
			}
		}
	}
	return h, nil
}

// waitBefore is how many sessions have waited for a resource for longer than this one, and may
// get it where one of those pods ends.
func (p *pass) waitBefore(ctx context.Context, name corev1.ResourceName, onTheWay []*corev1.Pod) (n int, err error) {
	if len(onTheWay) == 0 {
		return 0, nil
	}
	list := &v1alpha1.VDISessionList{}
	if err := p.Client.List(ctx, list, client.MatchingFields{indexWaits: string(name)}, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("find who waits: %w", err)
	}
	since := lifecycle.StartBegan
	for i := range list.Items {
		s := &list.Items[i]
		if s.UID == p.session.UID || cmp.Or(since(s).Compare(since(p.session)), cmp.Compare(s.UID, p.session.UID)) >= 0 {
			continue
		}
		all, err := workload.PodsOf(ctx, p.Client, s)
		if err != nil {
			return 0, fmt.Errorf("find what %s/%s waits with: %w", s.Namespace, s.Name, err)
		}
		waits := slices.IndexFunc(all, func(pod *corev1.Pod) bool { return !scheduled(pod) })
		if waits < 0 || slices.ContainsFunc(onTheWay, func(pod *corev1.Pod) bool { return p.helped(ctx, all[waits], name, pod) }) {
			n++
		}
	}
	return n, nil
}

// WaitFor says that a session waits for a resource of which no node has enough, as GPUs.
func WaitFor(ctx context.Context, c client.Reader, name corev1.ResourceName) (bool, error) {
	list := &v1alpha1.VDISessionList{}
	err := c.List(ctx, list, client.MatchingFields{indexWaits: string(name)}, client.Limit(1), client.UnsafeDisableDeepCopy)
	return len(list.Items) > 0, err
}

// dozeChanges are the events by which who waits has more, or less, to hope for.
func dozeChanges() predicate.Predicate {
	none := func(event.CreateEvent) bool { return false }
	return predicate.Funcs{
		CreateFunc:  none,
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, is := e.ObjectOld.(*v1alpha1.VDISession), e.ObjectNew.(*v1alpha1.VDISession)
			return (was.Status.Doze == nil) != (is.Status.Doze == nil)
		},
	}
}

// waiting are the sessions that wait for a resource.
func (r *Reconciler) waiting(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.sessions(ctx, client.MatchingFields{indexWaits: anyResource})
}

// onNodes are the sessions with pods on the nodes whose programs have changed.
func (r *Reconciler) onNodes(ctx context.Context, _ string) []reconcile.Request {
	list := &corev1.PodList{}
	if err := r.Client.List(ctx, list, client.HasLabels{v1alpha1.LabelSession}, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	nodes := r.Programs.Nodes() // which are given once
	var requests []reconcile.Request
	for i := range list.Items {
		if nodes[list.Items[i].Spec.NodeName] {
			requests = append(requests, ofLabel(ctx, &list.Items[i])...)
		}
	}
	return requests
}
