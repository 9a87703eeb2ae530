package watched

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// remedies say why a namespace is not served, and what to do.
var remedies = map[standing]string{
	ending: "being deleted, and its sessions with it: take it out of watchNamespaces; if it does not go: " +
		"docs/troubleshooting.md#a-namespace-that-does-not-end",
	missing: "does not exist: create it and run helm upgrade, or take it out of watchNamespaces",
	forbidden: "the operator has no rights there; the namespace is gone, or the Role and RoleBinding that the chart makes in it: " +
		"create what is missing by kubectl create namespace and helm upgrade, or take it out of watchNamespaces",
}

func (n *Namespaces) report(conditions Conditions) {
	var lacking []string
	for _, name := range n.names {
		if remedy := remedies[n.standing(name)]; remedy != "" {
			lacking = append(lacking, fmt.Sprintf("%s (%s)", name, remedy))
		}
	}
	if len(lacking) == 0 {
		conditions.Set(v1alpha1.ConditionNamespacesServed, metav1.ConditionTrue, v1alpha1.ReasonServed,
			"The sessions of every namespace in watchNamespaces are served.")
		return
	}
	conditions.Set(v1alpha1.ConditionNamespacesServed, metav1.ConditionFalse, v1alpha1.ReasonNotServed,
		fmt.Sprintf("Not served of watchNamespaces: %s. The others are served.", strings.Join(lacking, "; ")))
}
