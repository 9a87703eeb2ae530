package config

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Agent is the program beside each desktop that announces its pod.
type Agent struct {
	// Enabled adds it to desktops' pods.
	Enabled bool `json:"enabled"`
	// Image is the agent's; it must be set where Enabled is.
	Image string `json:"image"`
	// Peers names the headless Service, in the activator's namespace, that has the
	// address of every replica of the activator.
	Peers string `json:"peers"`
	// Resources are what it reserves and may use.
	Resources corev1.ResourceRequirements `json:"resources"`
	// SecurityContext is what its container may.
	SecurityContext *corev1.SecurityContext `json:"securityContext"`
}

// agentUser is not the desktop's: nothing in the desktop may read what the agent holds.
const agentUser = 65532

// agentSecurity holds where the file says nothing.
func agentSecurity() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		RunAsNonRoot: new(true), RunAsUser: new(int64(agentUser)), RunAsGroup: new(int64(agentUser)),
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// agentResources hold where the file says nothing. It was seen at 6 MiB and 1m when it waits;
// a quota on limits refuses a pod with a container that has none.
func agentResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("5m"), corev1.ResourceMemory: resource.MustParse("16Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
	}
}

func (a Agent) validate() field.ErrorList {
	path := field.NewPath("agent")
	errs := validateLabel(path.Child("peers"), a.Peers)
	if a.Enabled && a.Image == "" {
		errs = append(errs, field.Invalid(path.Child("image"), "", "must be the agent's image; or set agent.enabled to false"))
	}
	return append(errs, validateResources(path.Child("resources"), a.Resources)...)
}
