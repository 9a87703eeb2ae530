package config

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// PrePull keeps templates' images on the nodes that may run them.
type PrePull struct {
	// Enabled makes a DaemonSet for each template; the rest has no meaning otherwise.
	Enabled bool `json:"enabled"`
	// ServiceAccount is the pods', in the installation's namespace. The DaemonSets go when it
	// goes.
	ServiceAccount string `json:"serviceAccount"`
	// ImagePullSecrets are the installation's, besides those of each template.
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets"`
	// PriorityClassName is the pods'; empty is the cluster's default.
	PriorityClassName string `json:"priorityClassName"`
	// GPUNodeLabels are keys of labels, one of which is on every node with GPUs; without any,
	// templates that ask for GPUs are pulled to all nodes that their podTemplate allows.
	GPUNodeLabels []string `json:"gpuNodeLabels"`
	// MaxUnavailable is on how many nodes at a time a change is pulled.
	MaxUnavailable intstr.IntOrString `json:"maxUnavailable"`
	// Resources are what each container reserves and may use.
	Resources corev1.ResourceRequirements `json:"resources"`
}

// prePullResources hold where the file says nothing. The program that keeps an image waits, and
// is resident with 6 MiB; the limits are for a quota on limits, which refuses a pod without.
func prePullResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1m"), corev1.ResourceMemory: resource.MustParse("8Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
	}
}

func (p PrePull) validate(agentImage string) (errs field.ErrorList) {
	if !p.Enabled {
		return nil
	}
	path := field.NewPath("prePull")
	if agentImage == "" {
		errs = append(errs, field.Invalid(field.NewPath("agent", "image"), "", "must be the agent's image; or set prePull.enabled to false"))
	}
	if problems := validation.IsDNS1123Subdomain(p.ServiceAccount); len(problems) > 0 {
		errs = append(errs, field.Invalid(path.Child("serviceAccount"), p.ServiceAccount, strings.Join(problems, "; ")))
	}
	for i, key := range p.GPUNodeLabels {
		if problems := validation.IsQualifiedName(key); len(problems) > 0 {
			errs = append(errs, field.Invalid(path.Child("gpuNodeLabels").Index(i), key,
				"must be the key of a node's label, such as nvidia.com/gpu.present: "+strings.Join(problems, "; ")))
		}
	}
	if most, err := intstr.GetScaledValueFromIntOrPercent(&p.MaxUnavailable, 100, true); err != nil || most < 1 {
		errs = append(errs, field.Invalid(path.Child("maxUnavailable"), p.MaxUnavailable.String(), "must be 1 or more nodes, such as 3 or 25%"))
	}
	return append(errs, validateResources(path.Child("resources"), p.Resources)...)
}

func validateResources(path *field.Path, r corev1.ResourceRequirements) (errs field.ErrorList) {
	for name, requested := range r.Requests {
		if limit, limited := r.Limits[name]; limited && requested.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(path.Child("requests").Key(string(name)), requested.String(),
				fmt.Sprintf("must be %s, which is its limit, or less", limit.String())))
		}
	}
	return errs
}
