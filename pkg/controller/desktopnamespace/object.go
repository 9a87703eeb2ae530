package desktopnamespace

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// object is what a namespace with sessions has one of.
type object struct {
	client.Object
	kind string
	// label says that this product made it.
	label string
	// wanted is whether the installation wants it at all.
	wanted bool
	// specify writes its spec.
	specify func()
	// meanwhile is what holds while somebody else has one of its name, and setting the
	// value that switches it off.
	meanwhile, setting string
}

func (r *Reconciler) networkPolicy(namespace string) object {
	p := &networkingv1.NetworkPolicy{ObjectMeta: named(namespace)}
	return object{
		Object: p, kind: "NetworkPolicy", label: v1alpha1.LabelDesktopNetwork, wanted: r.NetworkPolicy != nil,
		specify:   func() { p.Spec = *r.NetworkPolicy.DeepCopy() },
		meanwhile: "desktops there are as open as it leaves them", setting: "networkPolicy.enabled",
	}
}

func (r *Reconciler) disruptionBudget(namespace string) object {
	b := &policyv1.PodDisruptionBudget{ObjectMeta: named(namespace)}
	return object{
		Object: b, kind: "PodDisruptionBudget", label: v1alpha1.LabelDesktopBudget, wanted: r.ProtectFromEviction,
		specify:   func() { b.Spec = budget() },
		meanwhile: "it alone says which desktops there may be evicted", setting: "desktops.protectFromEviction",
	}
}

// budget allows no eviction of a desktop's pod that is ready. One that starts or is stuck may
// go: nobody works there yet, and it must not keep a node from being drained.
func budget() policyv1.PodDisruptionBudgetSpec {
	none, always := intstr.FromInt32(0), policyv1.AlwaysAllow
	return policyv1.PodDisruptionBudgetSpec{
		MaxUnavailable:             &none,
		UnhealthyPodEvictionPolicy: &always,
		Selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: v1alpha1.LabelSession, Operator: metav1.LabelSelectorOpExists},
			// Nor does anybody work in one that waits in a warm pool.
			{Key: v1alpha1.LabelSession, Operator: metav1.LabelSelectorOpNotIn, Values: []string{""}},
		}},
	}
}

// foreign is what is said of an object that this package did not make. It is tried again,
// ever more rarely.
func (o object) foreign() error {
	return fmt.Errorf("a %s %q exists in namespace %q and is not this product's, so %s; delete it, or set %s to false and keep your own",
		o.kind, Name, o.GetNamespace(), o.meanwhile, o.setting)
}

// ours is whether this package made an object.
func ours(o client.Object) bool {
	labels := o.GetLabels()
	return labels[v1alpha1.LabelDesktopNetwork] != "" || labels[v1alpha1.LabelDesktopBudget] != ""
}
