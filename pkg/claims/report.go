package claims

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// named is how many namespaces a message names.
const named = 5

// Report says how the namespaces stand before any session was looked at.
func (c *Claims) Report() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report()
}

// report is called with mu held.
func (c *Claims) report() {
	var others, denied []string
	for namespace, k := range c.known {
		switch {
		case k.holder != c.Installation:
			others = append(others, fmt.Sprintf("%s (by installation %s)", namespace, k.holder))
		case k.denied:
			denied = append(denied, namespace)
		}
	}
	switch {
	case len(others) > 0:
		c.Conditions.Set(v1alpha1.ConditionNamespacesOwned, metav1.ConditionFalse, v1alpha1.ReasonServedElsewhere, fmt.Sprintf(
			"Served by another installation, and left alone by %s: %s. Take them out of watchNamespaces of one of the two; an installation "+
				"without watchNamespaces serves all. If the other one is gone, or does not serve them any more: kubectl delete lease %s --namespace NAMESPACE",
			c.Installation, list(others), Name))
	case len(denied) > 0:
		c.Conditions.Set(v1alpha1.ConditionNamespacesOwned, metav1.ConditionUnknown, v1alpha1.ReasonForbidden, fmt.Sprintf(
			"Whether another installation serves them cannot be seen: %s. Give the operator there create of leases.coordination.k8s.io, and get "+
				"and delete of the lease %s.", list(denied), Name))
	default:
		c.Conditions.Set(v1alpha1.ConditionNamespacesOwned, metav1.ConditionTrue, v1alpha1.ReasonOwned,
			"No other installation serves a namespace of this one's sessions.")
	}
}

func list(namespaces []string) string {
	slices.Sort(namespaces)
	if more := len(namespaces) - named; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(namespaces[:named], ", "), more)
	}
	return strings.Join(namespaces, ", ")
}
