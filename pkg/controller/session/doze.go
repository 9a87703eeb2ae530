package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/nodeprograms"
	"github.com/org/vdi-operator/pkg/token"
)

// A desktop dozes in three steps, each of which may be the last that this operator takes:
//
//  1. status.doze is written. From now on whoever visits has the desktop thawed first.
//  2. The program on its node is asked to freeze it.
//  3. What the program said is written: status.doze.frozenAt.
//
// status.doze holds the order by which activators have it thawed. It counts as given just after
// the order to freeze, so a freeze that comes late, to somebody who is back, is refused by the
// program as overtaken.
const (
	// freezeRetry is how long a desktop that was not frozen is left alone. Each attempt that its
	// program has not obeyed doubles it, up to freezeRetryMost.
	freezeRetry, freezeRetryMost = time.Minute, time.Hour
	// unsureRetry is when a program is asked again that has not said whether a desktop is frozen:
	// nobody waits, and who does brings another pass.
	unsureRetry = 5 * time.Second
	// thawRetry is when a program that has not thawed a desktop is asked again.
	thawRetry = 500 * time.Millisecond
	// DozeLostAfter is for how long visitors wait for a desktop that its node's program does not
	// thaw. Then its pod ends, and it starts anew.
	DozeLostAfter = 5 * time.Second
	// ProgramBackWithin is for how long they wait for a program that does not answer: it may be
	// replaced by an upgrade, or start anew, and what is open in the desktop is worth the wait.
	ProgramBackWithin = 30 * time.Second
	// thawOrderMargin is how much longer than the doze the order is good by which it ends.
	thawOrderMargin = time.Hour
)

// Programs knows the programs on nodes that freeze and thaw desktops.
type Programs interface {
	// On is the one that is ready on a node.
	On(node string) (nodeprograms.Program, bool)
	// Has says that a node has one, ready or not.
	Has(node string) bool
	// Changed brings something when programs have come, gone or started anew, Nodes where.
	Changed() <-chan event.TypedGenericEvent[string]
	Nodes() map[string]bool
}

// Orders gives orders to these programs, and asks them; see nodeapi.Client.
type Orders interface {
	Freeze(ctx context.Context, address netip.AddrPort, order string) error
	Thaw(ctx context.Context, address netip.AddrPort, order string) error
	Pressure(ctx context.Context, address netip.AddrPort, order string) (nodeapi.Pressure, error)
}

var (
	_ Programs = (*nodeprograms.Programs)(nil)
	_ Orders   = (*nodeapi.Client)(nil)
)

// failedFreeze is for how long and why a desktop is not frozen again by a program.
type failedFreeze struct {
	noDoze
	program string
	pause   time.Duration
}

// noDoze is why no doze begins; the zero value is that one may.
type noDoze struct {
	reason, message string
	// until is when that is over; zero is not by itself.
	until time.Time
}

// mayDoze finds out whether the desktop could be frozen.
func (p *pass) mayDoze() {
	if p.policy.DozeAfter.OrZero() <= 0 || !lifecycle.Awake(p.session) {
		return
	}
	p.noDoze = p.whyNot()
	p.policy.NoDoze = p.noDoze != noDoze{}
	p.returnAt(p.noDoze.until)
}

func (p *pass) whyNot() noDoze {
	pod := p.observed.Pod
	switch {
	case p.policy.SleepsFirst():
		return noDoze{reason: v1alpha1.ReasonSleepsFirst, message: fmt.Sprintf(
			"It falls asleep before it would doze: dozeAfter is %s, and disconnectTimeout %s. Set dozeAfter to less, or disconnectTimeout to more.",
			p.policy.DozeAfter.OrZero(), p.policy.DisconnectTimeout.OrZero())}
	case p.Programs == nil:
		return noDoze{reason: v1alpha1.ReasonDozeOff,
			message: "The installation freezes no desktops: set doze.enabled of the chart to true, or dozeAfter to 0s."}
	case !scheduled(pod):
		return noDoze{}
	}
	program, ready := p.Programs.On(pod.Spec.NodeName)
	if !ready {
		return noDoze{reason: v1alpha1.ReasonNodeProgramMissing, message: fmt.Sprintf("No program that freezes desktops is ready on node %s: "+
			"see whether the DaemonSet of doze.enabled has a pod there, and whether doze.tolerations let it. Until then the other clocks hold.",
			pod.Spec.NodeName)}
	}
	if failed := p.failedFreeze(program); p.now.Before(failed.until) {
		return failed.noDoze
	}
	if p.changeWaits() {
		return noDoze{reason: v1alpha1.ReasonWaitingForSleep, message: "A change of its template or its session waits for its sleep."}
	}
	return noDoze{}
}

// failedFreeze is of the program's last attempt; the zero value where it did not fail.
func (p *pass) failedFreeze(program nodeprograms.Program) failedFreeze {
	if failed, ok := p.failedFreezes.Load(client.ObjectKeyFromObject(p.session)); ok && failed.(failedFreeze).program == program.Instance {
		return failed.(failedFreeze)
	}
	return failedFreeze{}
}

// changeWaits says that what the desktop woke with is no longer what it is to be.
func (p *pass) changeWaits() bool {
	return p.conditionIs(v1alpha1.ConditionUpToDate, v1alpha1.ReasonWaitingForSleep)
}

// doze takes a doze a step further: towards its beginning, or to its end.
func (p *pass) doze(ctx context.Context) error {
	d := p.session.Status.Doze
	switch {
	case d == nil && !p.decision.Dozing:
	case d == nil && p.nodeNeedsRoom(ctx):
	case d == nil, p.decision.Dozing && lifecycle.Returned(p.session, p.now):
		return p.intend(*p.micro())
	case d.Lost: // until its pod has ended
	case p.decision.Dozing:
		return p.freeze(ctx)
	default:
		p.thaw(ctx)
	}
	return nil
}

// nodeNeedsRoom says that what dozes on the desktop's node gives way to it: no doze begins then.
func (p *pass) nodeNeedsRoom(ctx context.Context) bool {
	pod := p.observed.Pod
	if !scheduled(pod) {
		return false
	}
	node := p.nodes.needs(ctx, p.API, p.now, pod.Spec.NodeName)
	if !node.leaves && !node.short && !p.relief.short(pod.Spec.NodeName) {
		return false
	}
	p.noDoze = noDoze{reason: v1alpha1.ReasonNodeNeedsRoom, until: p.now.Add(nodeLookedAt),
		message: fmt.Sprintf("Node %s takes no pods, or is short of memory, and what dozes gives way to it. The other clocks hold.", pod.Spec.NodeName)}
	p.policy.NoDoze = true
	p.returnAt(p.noDoze.until)
	p.decide()
	return true
}

// intend records that the desktop is about to be frozen, since then.
func (p *pass) intend(since metav1.MicroTime) error {
	pod := p.observed.Pod
	if !scheduled(pod) {
		return nil
	}
	program, ready := p.Programs.On(pod.Spec.NodeName)
	if !ready {
		return nil
	}
	life := lifecycle.Longest
	if dozes := p.policy.DozeFor.OrZero(); dozes > 0 {
		life = min(life, dozes+thawOrderMargin)
	}
	issued := p.now
	if before := p.session.Status.Doze; before != nil { // later than all that was ordered before, and than since
		issued = latest(issued.Add(2*time.Millisecond), p.issued(before).Add(2*time.Millisecond))
	}
	d := &v1alpha1.SessionDoze{Since: since, Pod: pod.Name, PodUID: pod.UID, Node: pod.Spec.NodeName,
		Address: program.Address.String(), Program: program.Instance}
	thaw, err := p.Reconciler.order(p.session, d, token.ActionThaw, issued.Add(time.Millisecond), life)
	if err != nil {
		return fmt.Errorf("the order to thaw: %w", err)
	}
	d.Thaw = thaw
	p.session.Status.Doze = d
	return nil
}

// issued is when the order to thaw counts as given; zero where it was signed with another key,
// or has expired.
func (p *pass) issued(d *v1alpha1.SessionDoze) time.Time {
	order, err := p.Signer.Verifier().VerifyOrder(d.Thaw, p.now)
	if err != nil {
		return time.Time{}
	}
	return order.Issued
}

// surelyRuns says of a desktop that a program has answered of, with an error, that it was not frozen
// in this doze: it was not told to before, by an order that it may have obeyed, and it does not
// take the operator's orders, or the node has no such pod.
func (p *pass) surelyRuns(d *v1alpha1.SessionDoze, err error) bool {
	again := p.issued(d).After(d.Since.Add(time.Millisecond)) // of an earlier intent nobody knows
	told, is := p.toldToFreeze.Load(client.ObjectKeyFromObject(p.session))
	return !again && d.FrozenAt == nil && (!is || told != d.Thaw) && unobeyed(err)
}

// unobeyed says that the program did nothing for an order.
func unobeyed(err error) bool {
	return errors.Is(err, nodeapi.ErrRefused) || errors.Is(err, nodeapi.ErrNoPod)
}

// freeze has the desktop frozen, unless it is. A program that started anew may have thawed it.
func (p *pass) freeze(ctx context.Context) error {
	d := p.session.Status.Doze
	program, ready := p.program(d)
	if !ready { // it brings another pass when it is back
		return nil
	}
	thawIssued := p.issued(d)
	if program.Instance != d.Program || thawIssued.IsZero() {
		return p.intend(d.Since)
	}
	if d.FrozenAt != nil {
		return nil
	}
	issued := thawIssued.Add(-time.Millisecond)
	order, err := p.order(d, token.ActionFreeze, issued)
	if err != nil {
		return err
	}
	began := time.Now()
	err = p.Orders.Freeze(ctx, program.Address, order)
	if !unobeyed(err) && !errors.Is(err, nodeapi.ErrCannot) {
		p.toldToFreeze.Store(client.ObjectKeyFromObject(p.session), d.Thaw)
	}
	if err != nil {
		p.notFrozen(ctx, d, program, err)
		return nil
	}
	p.failedFreezes.Delete(client.ObjectKeyFromObject(p.session))
	// The record is locked: who came meanwhile makes it fail, and ends the doze.
	d.FrozenAt = p.micro()
	p.happened = append(p.happened, func() {
		p.Metrics.Dozed(time.Since(began))
		p.event(corev1.EventTypeNormal, v1alpha1.EventDesktopDozes, "Doze", "The desktop dozes on node %s: nobody was connected for %s",
			d.Node, p.policy.DozeAfter.OrZero())
	})
	return nil
}

// notFrozen sees to a desktop whose program did not say that it has frozen it.
func (p *pass) notFrozen(ctx context.Context, d *v1alpha1.SessionDoze, program nodeprograms.Program, err error) {
	// It may be frozen all the same: by an order whose answer was lost, or of an earlier program.
	if unthawed := p.thawed(ctx, d); unthawed != nil && !p.surelyRuns(d, unthawed) {
		p.returnAt(p.now.Add(unsureRetry))
		return
	}
	why, pause := fmt.Sprintf("The program on node %s has not frozen it: %v.", d.Node, err), freezeRetry
	if errors.Is(err, nodeapi.ErrOvertaken) {
		why = "Somebody came back before it was frozen, or its pod ends."
	} else if last := p.failedFreeze(program).pause; last > 0 {
		pause = min(2*last, freezeRetryMost)
	}
	p.giveUpFreeze(why, program, pause)
}

// giveUpFreeze leaves a desktop that is not frozen alone for a while.
func (p *pass) giveUpFreeze(message string, program nodeprograms.Program, pause time.Duration) {
	p.session.Status.Doze = nil
	p.noDoze = noDoze{reason: v1alpha1.ReasonFreezeFailed, until: p.now.Add(pause),
		message: fmt.Sprintf("%s It is tried again within %s.", message, pause)}
	p.failedFreezes.Store(client.ObjectKeyFromObject(p.session), failedFreeze{p.noDoze, program.Instance, pause})
	p.policy.NoDoze = true
	p.returnAt(p.noDoze.until)
	p.decide() // by the clocks that run now
}

// thaw ends a doze: somebody is back, the desktop goes to sleep, or dozing was switched off.
func (p *pass) thaw(ctx context.Context) {
	st := &p.session.Status
	d := st.Doze
	err := p.thawed(ctx, d)
	switch {
	case err == nil, p.surelyRuns(d, err):
		p.endDoze()
	case !p.decision.Awake: // the program thaws what ends; and kubelet ends what is frozen, a little later
		st.Doze = nil
	case d.UnansweredSince == nil:
		d.UnansweredSince = p.micro()
		p.returnAt(p.now.Add(thawRetry))
	case p.now.Before(d.UnansweredSince.Add(lostAfter(err))):
		p.returnAt(p.now.Add(thawRetry))
	default:
		d.Lost = true
		p.happened = append(p.happened, func() {
			p.event(corev1.EventTypeWarning, v1alpha1.ReasonDozeLost, "Thaw",
				"The dozing desktop could not be thawed on node %s and starts anew; what was open in it is lost: %v", d.Node, err)
		})
		p.returnAt(p.now) // to put it to sleep
	}
}

// lostAfter is for how long visitors wait where a thaw fails so.
func lostAfter(err error) time.Duration {
	if unobeyed(err) || errors.Is(err, nodeapi.ErrCannot) {
		return DozeLostAfter
	}
	return ProgramBackWithin
}

// endDoze records that a desktop runs which dozed.
func (p *pass) endDoze() {
	d := p.session.Status.Doze
	p.session.Status.Doze = nil
	p.toldToFreeze.Delete(client.ObjectKeyFromObject(p.session))
	if d.FrozenAt == nil {
		return
	}
	dozed, woke := p.now.Sub(d.FrozenAt.Time), lifecycle.Awake(p.session)
	p.happened = append(p.happened, func() {
		p.Metrics.DozeEnded(dozed)
		if !woke {
			return
		}
		p.Metrics.Woke(metrics.WokeFromDoze)
		p.Audit.Event(audit.Event{Event: audit.Wake, Via: audit.ViaOperator, Reason: v1alpha1.EventDesktopThawed}.Of(p.session))
		p.event(corev1.EventTypeNormal, v1alpha1.EventDesktopThawed, "Thaw", "The desktop is as it was left: it dozed for %s",
			dozed.Round(time.Second))
	})
}

// thawed has the desktop thawed; nil is that it runs.
func (p *pass) thawed(ctx context.Context, d *v1alpha1.SessionDoze) error {
	return p.Reconciler.thawed(ctx, p.session, d, p.now)
}

// thawed gives the order that ends all that were given before.
func (r *Reconciler) thawed(ctx context.Context, s *v1alpha1.VDISession, d *v1alpha1.SessionDoze, now time.Time) error {
	program, ready := r.program(d)
	if !ready {
		return fmt.Errorf("no program is ready on node %s", d.Node)
	}
	issued := now
	if given, err := r.Signer.Verifier().VerifyOrder(d.Thaw, now); err == nil {
		issued = latest(issued, given.Issued.Add(time.Millisecond))
	}
	order, err := r.order(s, d, token.ActionThaw, issued, token.OrderLife)
	if err != nil {
		return err
	}
	err = r.Orders.Thaw(ctx, program.Address, order)
	if errors.Is(err, nodeapi.ErrOvertaken) { // no order is later than this one: the pod ends
		return nil
	}
	return err
}

// order signs one that was given then.
func (p *pass) order(d *v1alpha1.SessionDoze, action token.Action, issued time.Time) (string, error) {
	return p.Reconciler.order(p.session, d, action, issued, max(0, p.now.Sub(issued))+token.OrderLife)
}

func (r *Reconciler) order(s *v1alpha1.VDISession, d *v1alpha1.SessionDoze, action token.Action,
	issued time.Time, life time.Duration) (string, error) {
	return r.Signer.SignOrder(token.Order{Action: action, Pod: types.NamespacedName{Namespace: s.Namespace, Name: d.Pod}, PodUID: d.PodUID,
		Session: s.UID, Node: d.Node, Issued: issued}, life)
}

// program is the one that can freeze or thaw a desktop.
func (r *Reconciler) program(d *v1alpha1.SessionDoze) (nodeprograms.Program, bool) {
	if r.Programs == nil {
		return nodeprograms.Program{}, false
	}
	return r.Programs.On(d.Node)
}

// forgetDoze ends the record of a doze whose pod is gone: what was open there is lost.
func (p *pass) forgetDoze() {
	d, pod := p.session.Status.Doze, p.observed.Pod
	if d == nil || pod != nil && pod.UID == d.PodUID {
		return
	}
	p.session.Status.Doze = nil
	if d.FrozenAt != nil {
		p.happened = append(p.happened, func() { p.Metrics.DozeEnded(p.now.Sub(d.FrozenAt.Time)) })
	}
	if lifecycle.Awake(p.session) {
		p.happened = append(p.happened, func() {
			p.event(corev1.EventTypeWarning, v1alpha1.ReasonDozeLost, "Doze",
				"The pod %s of the dozing desktop is gone, and what was open in it", d.Pod)
		})
	}
}

// sayDoze says by a condition whether the desktop dozes, and why not where it may.
func (p *pass) sayDoze() {
	d := p.session.Status.Doze
	switch {
	case !lifecycle.Awake(p.session) || d == nil && p.policy.DozeAfter.OrZero() <= 0:
		meta.RemoveStatusCondition(&p.session.Status.Conditions, v1alpha1.ConditionDozing)
	case d != nil && d.FrozenAt != nil:
		p.condition(v1alpha1.ConditionDozing, true, v1alpha1.ReasonDozing, "")
	case p.noDoze != noDoze{}:
		p.condition(v1alpha1.ConditionDozing, false, p.noDoze.reason, p.noDoze.message)
	default:
		p.condition(v1alpha1.ConditionDozing, false, v1alpha1.ReasonCanDoze, "")
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
