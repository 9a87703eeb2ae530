package session

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/installation"
	"github.com/org/vdi-operator/pkg/controller/priority"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// summarise says how the session stands, in a word and in a sentence.
func (p *pass) summarise() {
	st := &p.session.Status
	st.ObservedGeneration = p.session.Generation
	st.URL = p.Config.URL.SessionURL(p.session.Namespace, p.session.Name)
	if p.decision.Awake {
		p.condition(v1alpha1.ConditionAwake, true, string(p.decision.Reason), "")
	} else if !p.conditionIs(v1alpha1.ConditionAwake, p.asleepBecause()) {
		p.condition(v1alpha1.ConditionAwake, false, p.asleepBecause(), "")
	}
	p.sayDoze()
	if p.blocked != (blocked{}) && p.observed.Exists {
		p.condition(v1alpha1.ConditionUpToDate, false, v1alpha1.ReasonBlocked, p.blocked.message)
	}
	p.accessEnforced()
	var ready bool
	var reason string
	st.Phase, reason, st.Message, ready = p.phase()
	p.warn(reason, st.Message)
	p.condition(v1alpha1.ConditionReady, ready, reason, st.Message)
	p.condition(v1alpha1.ConditionDesktopReady, st.Phase == v1alpha1.PhaseRunning, reason, "")
	switch {
	case st.Phase == v1alpha1.PhaseCreating:
		p.waitFor(p.progress())
	case reason != v1alpha1.ReasonStartupTimeout:
		st.Waiting = nil
	}
}

// asleepBecause is why the desktop sleeps: the reason of the decision that put it to
// sleep, as long as that is known.
func (p *pass) asleepBecause() string {
	if p.decision.Reason == lifecycle.ReasonNotVisited && p.session.Status.SleepReason != "" {
		return p.session.Status.SleepReason
	}
	return string(p.decision.Reason)
}

func (p *pass) phase() (phase v1alpha1.Phase, reason, message string, ready bool) {
	switch {
	// What keeps the workload from being made keeps the desktop from waking.
	case !p.observed.Exists && p.blocked.condition == v1alpha1.ConditionWorkloadApplied:
		return v1alpha1.PhaseFailed, p.blocked.reason, p.blocked.message, false
	case !p.observed.Exists && p.blocked != (blocked{}):
		return v1alpha1.PhasePending, p.blocked.reason, p.blocked.message, false

	case p.dozes():
		return v1alpha1.PhaseDozing, v1alpha1.ReasonDozing, "A visit finds it as it was left.", true
	case p.decision.Awake && p.reachable():
		return v1alpha1.PhaseRunning, v1alpha1.ReasonRunning, "", true
	case p.decision.Awake:
		progress := p.progress()
		return v1alpha1.PhaseCreating, progress.Reason, progress.Message, false

	case p.decision.Reason == lifecycle.ReasonPoweredOff:
		return v1alpha1.PhaseAsleep, v1alpha1.ReasonPoweredOff, "Switched off: set spec.power to OnDemand to let a visit wake it.", false
	case p.decision.Reason == lifecycle.ReasonDozeLost:
		return v1alpha1.PhaseAsleep, v1alpha1.ReasonDozeLost, "It dozed and could not be thawed: it starts anew.", true
	case lifecycle.StartFailed(p.session):
		return v1alpha1.PhaseFailed, v1alpha1.ReasonStartupTimeout, p.awakeMessage(), false
	case p.observed.Pods > 0:
		return v1alpha1.PhaseAsleep, v1alpha1.ReasonAsleep, "The desktop is shutting down; a visit wakes it.", true
	default:
		return v1alpha1.PhaseAsleep, v1alpha1.ReasonAsleep, "A visit wakes it.", true
	}
}

// dozes says that the desktop is frozen, or about to be.
func (p *pass) dozes() bool {
	d := p.session.Status.Doze
	return p.decision.Awake && d != nil && (p.decision.Dozing || d.FrozenAt != nil)
}

func (p *pass) awakeMessage() string {
	if c := meta.FindStatusCondition(p.session.Status.Conditions, v1alpha1.ConditionAwake); c != nil {
		return c.Message
	}
	return ""
}

func (p *pass) condition(kind string, is bool, reason, message string) {
	status := metav1.ConditionFalse
	if is {
		status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&p.session.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: p.session.Generation, LastTransitionTime: metav1.NewTime(p.now),
	})
}

// conditionIs is whether a condition is false for this reason already.
func (p *pass) conditionIs(kind, reason string) bool {
	c := meta.FindStatusCondition(p.session.Status.Conditions, kind)
	return c != nil && c.Status == metav1.ConditionFalse && c.Reason == reason
}

// write patches the operator's part of the status where it changed. The patch never
// holds status.activity, which the activators write: both sides of the difference
// have the same.
func (p *pass) write(ctx context.Context) (ctrl.Result, error) {
	if !equality.Semantic.DeepEqual(p.before.Status, p.session.Status) {
		if p.wakes() {
			if !p.mayRecord() {
				return p.recordLater(), nil
			}
			defer p.recording.Add(-1)
		}
		err := p.Client.Status().Patch(ctx, p.session, p.patch())
		switch {
		case apierrors.IsConflict(err):
			return ctrl.Result{RequeueAfter: conflictRetry}, nil
		case apierrors.IsNotFound(err):
			return ctrl.Result{}, nil
		case err != nil:
			return ctrl.Result{}, fmt.Errorf("write the session's status: %w", err)
		}
		p.log(ctx)
	}
	for _, do := range p.happened {
		do()
	}
	if p.again.IsZero() {
		return ctrl.Result{}, nil
	}
	// Not with this pass's priority: what was a wake now is a token's renewal next month.
	return ctrl.Result{RequeueAfter: max(p.again.Sub(p.Now()), conflictRetry), Priority: new(priority.Of(p.now, p.session))}, nil
}

// log has a line for each wake, sleep and failure; controller-runtime names the session in it.
func (p *pass) log(ctx context.Context) {
	log, was, is := log.FromContext(ctx), &p.before.Status, &p.session.Status
	switch {
	case is.Phase == v1alpha1.PhaseFailed && (was.Phase != is.Phase || reasonOf(was) != reasonOf(is)):
		log.Info("the session has failed", "reason", reasonOf(is), "message", is.Message)
	case p.wakes():
		log.Info("the desktop wakes", "reason", p.decision.Reason)
	case was.Doze == nil && is.Doze != nil:
		log.Info("the desktop is to doze", "node", is.Doze.Node)
	case lifecycle.Runs(p.session) && was.Doze != nil:
		log.Info("the desktop dozes no longer")
	case !lifecycle.Awake(p.session) && lifecycle.Awake(p.before):
		log.Info("the desktop goes to sleep", "reason", is.SleepReason)
	}
}

// reasonOf is why a session is ready or is not.
func reasonOf(st *v1alpha1.VDISessionStatus) string {
	return ptr.Deref(meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionReady), metav1.Condition{}).Reason
}

// patch is locked where the desktop wakes, becomes ready, dozes or sleeps: a visit that was
// reported meanwhile has to be part of that decision, and a pass over a session that is
// no longer as it was read would count the same start twice. Any other write needs no
// lock.
func (p *pass) patch() client.Patch {
	before, now := &p.before.Status, &p.session.Status
	if before.StartTime.Equal(now.StartTime) && before.ReadyTime.Equal(now.ReadyTime) && before.SleepTime.Equal(now.SleepTime) &&
		equality.Semantic.DeepEqual(before.Doze, now.Doze) {
		return client.MergeFrom(p.before)
	}
	return client.MergeFromWithOptions(p.before, client.MergeFromWithOptimisticLock{})
}

// warn tells once of what lasts until somebody acts. What has an event of its own has it where
// it is found.
func (p *pass) warn(reason, message string) {
	if reason == v1alpha1.ReasonHomeInUse || !lifecycle.NeedsAction(reason) || p.conditionIs(v1alpha1.ConditionReady, reason) {
		return
	}
	p.happened = append(p.happened, func() { p.event(corev1.EventTypeWarning, reason, "Start", "%s", message) })
}

// event tells of what was done, an action in a word.
func (p *pass) event(kind, reason, action, format string, args ...any) {
	p.Events.Eventf(p.before, nil, kind, reason, action, "%s", installation.EventNote(fmt.Sprintf(format, args...)))
}
