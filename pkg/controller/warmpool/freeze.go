package warmpool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/nodeprograms"
	"github.com/org/vdi-operator/pkg/pods"
	"github.com/org/vdi-operator/pkg/token"
)

const (
	// settles is how long a desktop runs after it is ready before it is frozen: its port accepts
	// before all of its programs have come up.
	settles = 10 * time.Second
	// freezeRetry is when a desktop is frozen again whose program did not.
	freezeRetry = time.Minute
)

// freezes are what is known of the orders for pods that wait.
type freezes struct {
	ordering sync.Mutex
	// of has each pod that was ordered about, by UID, and began is when this operator first looked at
	// pools: what another one told pods before is not known. ordering guards both.
	of    map[types.UID]frozen
	began time.Time
}

// frozen is what one pod was told.
type frozen struct {
	template string
	// told says that an order to freeze may have been obeyed, by that run of its node's program.
	told    bool
	program string
	// claimed says that a session is to have it: it is not frozen any more.
	claimed bool
	// until is when it is left alone after a freeze that failed; issued is when the last order counts
	// as given.
	until, issued time.Time
}

// forget drops what was known of pods that are not there.
func (r *Reconciler) forget(template string, waiting map[string][]*corev1.Pod) {
	there := map[types.UID]bool{}
	for _, all := range waiting {
		for _, pod := range all {
			there[pod.UID] = true
		}
	}
	r.ordering.Lock()
	defer r.ordering.Unlock()
	r.begin()
	for uid, f := range r.of {
		if f.template == template && !there[uid] {
			delete(r.of, uid)
		}
	}
}

// begin is called with ordering held.
func (r *Reconciler) begin() {
	if r.began.IsZero() {
		r.began = r.Now()
	}
}

// freeze has those frozen that are ready for long enough, and returns how many are.
func (r *Reconciler) freeze(ctx context.Context, t *v1alpha1.VDITemplate, ready []*corev1.Pod) (n int) {
	if r.Programs == nil {
		return 0
	}
	for _, pod := range ready {
		program, is := r.Programs.On(pod.Spec.NodeName)
		if !is || r.Now().Sub(pods.Condition(pod, corev1.PodReady).LastTransitionTime.Time) < settles {
			continue
		}
		if r.freezeOne(ctx, t, pod, program) {
			n++
		}
	}
	return n
}

// freezeOne has a pod frozen, and returns whether it is.
func (r *Reconciler) freezeOne(ctx context.Context, t *v1alpha1.VDITemplate, pod *corev1.Pod, program nodeprograms.Program) bool {
	issued, due, is := r.mayFreeze(t, pod, program.Instance)
	if !due {
		return is
	}
	order, err := r.order(pod, token.ActionFreeze, issued)
	if err == nil {
		err = r.Orders.Freeze(ctx, program.Address, order)
	}
	if err == nil {
		return true
	}
	ctrl.LoggerFrom(ctx).Info("a desktop of a warm pool waits unfrozen", "namespace", pod.Namespace, "pod", pod.Name,
		"retryAfter", freezeRetry.String(), "error", err.Error())
	r.ordering.Lock()
	defer r.ordering.Unlock()
	if f := r.of[pod.UID]; !f.claimed {
		// Where only the answer was lost, it may be frozen.
		f.program, f.told, f.until = "", !unobeyed(err), r.Now().Add(freezeRetry)
		r.set(pod, f)
	}
	return false
}

// mayFreeze says whether an order to freeze a pod is due, and as of when it counts; is says that it
// was obeyed before by this run of the program.
func (r *Reconciler) mayFreeze(t *v1alpha1.VDITemplate, pod *corev1.Pod, program string) (issued time.Time, due, is bool) {
	r.ordering.Lock()
	defer r.ordering.Unlock()
	f := r.of[pod.UID]
	switch {
	case f.claimed, r.Now().Before(f.until):
		return time.Time{}, false, false
	case f.told && f.program == program:
		return time.Time{}, false, true
	}
	f = frozen{template: t.Name, told: true, program: program, issued: r.later(f)}
	r.set(pod, f)
	return f.issued, true, false
}

// set is called with ordering held.
func (r *Reconciler) set(pod *corev1.Pod, f frozen) {
	if r.of == nil {
		r.of = map[types.UID]frozen{}
	}
	r.of[pod.UID] = f
}

// later is a moment after a pod's last order.
func (r *Reconciler) later(f frozen) time.Time {
	now := r.Now()
	if next := f.issued.Add(2 * time.Millisecond); next.After(now) {
		return next
	}
	return now
}

// thaw has a desktop run that a session is to have. From now on it is not frozen any more. It fails
// where that is not known: an operator before this one may have had it frozen.
func (r *Reconciler) thaw(ctx context.Context, pod *corev1.Pod) error {
	if r.Programs == nil {
		return nil
	}
	r.ordering.Lock()
	r.begin()
	f := r.of[pod.UID]
	maybe := f.told || !pod.CreationTimestamp.After(r.began) && r.Programs.Has(pod.Spec.NodeName)
	f.template, f.claimed, f.issued = pod.Labels[v1alpha1.LabelTemplate], true, r.later(f)
	r.set(pod, f)
	r.ordering.Unlock()
	program, is := r.Programs.On(pod.Spec.NodeName)
	if !is {
		if maybe {
			return fmt.Errorf("no program is ready on node %s", pod.Spec.NodeName)
		}
		return nil
	}
	order, err := r.order(pod, token.ActionThaw, f.issued)
	if err != nil {
		return err
	}
	err = r.Orders.Thaw(ctx, program.Address, order)
	switch {
	case !f.told && errors.Is(err, nodeapi.ErrNoPod): // the program has looked for it on the node
		return nil
	case !maybe && errors.Is(err, nodeapi.ErrRefused): // nor has it obeyed an order to freeze
		return nil
	}
	return err
}

// unclaimed lets a pod be frozen that was thawed in vain.
func (r *Reconciler) unclaimed(pod *corev1.Pod) {
	r.ordering.Lock()
	defer r.ordering.Unlock()
	if f, is := r.of[pod.UID]; is {
		f.claimed, f.told = false, false
		r.set(pod, f)
	}
}

// unobeyed says that the program did nothing for an order.
func unobeyed(err error) bool {
	return errors.Is(err, nodeapi.ErrRefused) || errors.Is(err, nodeapi.ErrNoPod) || errors.Is(err, nodeapi.ErrCannot)
}

// order signs one for a pod that waits, whose owner stands for the session that it has not got.
func (r *Reconciler) order(pod *corev1.Pod, action token.Action, issued time.Time) (string, error) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return "", errors.New("the pod has no owner")
	}
	return r.Signer.SignOrder(token.Order{Action: action, Pod: client.ObjectKeyFromObject(pod), PodUID: pod.UID, Session: owner.UID,
		Node: pod.Spec.NodeName, Issued: issued}, token.OrderLife)
}
