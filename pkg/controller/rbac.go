// Package controller is the folder of the operator's controllers. It holds only what
// the manager that runs them may do: be elected, and tell what happened.
//
// Each controller declares its own permissions; config/rbac/role.yaml is generated
// from all of them. The namespaces in it are the chart's defaults.
package controller

// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=vdi-system,resources=leases,verbs=get;create;update;patch
// +kubebuilder:rbac:groups="";events.k8s.io,resources=events,verbs=create;patch
