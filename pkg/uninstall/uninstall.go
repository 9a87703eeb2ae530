// Package uninstall takes back what an installation has made in the cluster, before
// its programs are deleted.
//
// It promises that afterwards nothing waits for an operator that is no longer there: no
// session has our finalizer, whatever else went wrong. Desktops are gone; homes, sessions
// and templates stay, and another installation takes them up. It ends within its timeout,
// may be run again at any time, and says in words what it removed and what it leaves. It
// does not know how the programs were installed.
package uninstall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	// operatorsShare and desktopsShare are the parts of the timeout, in percent, until
	// which the operator's pods and desktops are waited for. The rest is for releasing
	// what has not stopped by then.
	operatorsShare = 25
	desktopsShare  = 75
	// retryEvery is the pause between two attempts.
	retryEvery = time.Second
)

// Uninstaller takes an installation back; all but Leftovers, Withdraw and GiveBack are required.
type Uninstaller struct {
	// Client reads without a cache: nothing may be missed.
	Client client.Client
	// Workload is what the sessions' desktops run on.
	Workload workload.Workload
	// Installation is who has claimed the namespaces of its sessions: config.Installation's
	// String.
	Installation string
	// Namespaces are those whose sessions are this installation's; empty is all.
	Namespaces []string
	// Operator and Activator are the programs' Deployments.
	Operator, Activator types.NamespacedName
	// Leftovers are objects that the programs have made for themselves.
	Leftovers []client.Object
	// Withdraw takes what the installation says of templates out of their status.
	Withdraw func(context.Context) error
	// GiveBack gives Knative's configuration back, and returns in words what changed.
	GiveBack func(context.Context) ([]string, error)
	// Timeout is how long all of it may take.
	Timeout time.Duration
	// Out gets what is done, in lines for people.
	Out io.Writer

	// gone are those of Namespaces that do not exist.
	gone []string
	// served has the namespaces that were looked at, and whether they are this installation's.
	served map[string]bool

	mu sync.Mutex // guards Out
}

// Run takes the installation back. An error says what is left that should have gone;
// sessions are free of the operator even so.
func (u *Uninstaller) Run(ctx context.Context) error {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, u.Timeout)
	defer cancel()
	if err := u.stopPrograms(ctx, begin.Add(u.Timeout*operatorsShare/100)); err != nil {
		// An operator that still works would undo all that follows.
		return err
	}
	u.findGone(ctx)
	err := errors.Join(
		u.takeSessions(ctx, begin.Add(u.Timeout*desktopsShare/100)),
		u.removeFromNamespaces(ctx),
		u.removeLeftovers(ctx),
		u.withdraw(ctx),
		u.giveBack(ctx),
	)
	return errors.Join(err, u.sayWhatStays(ctx))
}

// findGone finds the namespaces that do not exist: all that was in them went with them. Of
// one that may not be read, what lists there says what is wrong.
func (u *Uninstaller) findGone(ctx context.Context) {
	u.gone = nil
	for _, name := range u.Namespaces {
		if apierrors.IsNotFound(u.Client.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{})) {
			u.say("Namespace %s does not exist: nothing to take away there.", name)
			u.gone = append(u.gone, name)
		}
	}
}

func (u *Uninstaller) removeLeftovers(ctx context.Context) error {
	var errs []error
	for _, o := range u.Leftovers {
		errs = append(errs, u.remove(ctx, o))
	}
	return errors.Join(errs...)
}

// removeFromNamespaces deletes what the operator has made beside sessions, in each of their
// namespaces.
func (u *Uninstaller) removeFromNamespaces(ctx context.Context) error {
	var errs []error
	for _, namespace := range u.spaces() {
		errs = append(errs,
			u.removeLabelled(ctx, &corev1.PodList{}, namespace, client.MatchingLabels{v1alpha1.LabelSession: ""}), // of warm pools
			u.removeLabelled(ctx, &networkingv1.NetworkPolicyList{}, namespace, client.HasLabels{v1alpha1.LabelDesktopNetwork}),
			u.removeLabelled(ctx, &policyv1.PodDisruptionBudgetList{}, namespace, client.HasLabels{v1alpha1.LabelDesktopBudget}))
	}
	return errors.Join(append(errs, u.releaseNamespaces(ctx))...)
}

func (u *Uninstaller) removeLabelled(ctx context.Context, list client.ObjectList, namespace string, which client.ListOption) error {
	if err := u.Client.List(ctx, list, client.InNamespace(namespace), which); err != nil {
		return fmt.Errorf("list what the operator has made: %T: %w", list, err)
	}
	return meta.EachListItem(list, func(item runtime.Object) error {
		o := item.(client.Object)
		if !u.ours(ctx, o.GetNamespace()) {
			return nil
		}
		return u.remove(ctx, o)
	})
}

// remove deletes an object that may be gone already, and says so where it was not.
func (u *Uninstaller) remove(ctx context.Context, o client.Object) error {
	err := u.Client.Delete(ctx, o)
	if err == nil {
		u.say("Removed %s.", nameOf(u.Client, o))
	} else if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s: %w", nameOf(u.Client, o), err)
	}
	return nil
}

// withdraw leaves the templates alone where the operator may not write them either.
func (u *Uninstaller) withdraw(ctx context.Context) error {
	if u.Withdraw == nil {
		return nil
	}
	if err := u.Withdraw(ctx); err != nil && !apierrors.IsForbidden(err) {
		return fmt.Errorf("withdraw from templates' status: %w", err)
	}
	return nil
}

func (u *Uninstaller) giveBack(ctx context.Context) error {
	if u.GiveBack == nil {
		return nil
	}
	changed, err := u.GiveBack(ctx)
	for _, what := range changed {
		u.say("Gave back %s.", what)
	}
	if apierrors.IsForbidden(err) {
		// The right to it is in Knative's namespace and goes with that.
		u.say("Knative's configuration cannot be seen (%s). If Knative is still there, what this installation has set in its configuration "+
			"stays.", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("give Knative's configuration back: %w", err)
	}
	return nil
}

// pause waits for the next attempt; false when there is none.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(retryEvery):
		return true
	}
}

func (u *Uninstaller) say(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, _ = fmt.Fprintf(u.Out, format+"\n", args...)
}

// nameOf is an object's kind and name, for people.
func nameOf(c client.Client, o client.Object) string {
	kind := fmt.Sprintf("%T", o)
	if gvk, err := c.GroupVersionKindFor(o); err == nil {
		kind = gvk.Kind
	}
	return kind + " " + client.ObjectKeyFromObject(o).String()
}
