package config

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// completeNetworkPolicy sets what the API server would set, so that a policy that is
// read back is the same.
func completeNetworkPolicy(p *networkingv1.NetworkPolicySpec) {
	tcp := corev1.ProtocolTCP
	complete := func(ports []networkingv1.NetworkPolicyPort) {
		for i := range ports {
			if ports[i].Protocol == nil {
				ports[i].Protocol = &tcp
			}
		}
	}
	for i := range p.Ingress {
		complete(p.Ingress[i].Ports)
	}
	for i := range p.Egress {
		complete(p.Egress[i].Ports)
	}
}

// validateNetworkPolicy checks what the API server would let through.
func validateNetworkPolicy(p *networkingv1.NetworkPolicySpec) field.ErrorList {
	if p == nil {
		return nil
	}
	path := field.NewPath("desktopNetworkPolicy")
	var errs field.ErrorList
	desktops := p.PodSelector.MatchLabels[v1alpha1.LabelSession] != ""
	for _, e := range p.PodSelector.MatchExpressions {
		desktops = desktops || e.Key == v1alpha1.LabelSession
	}
	if !desktops {
		errs = append(errs, field.Invalid(path.Child("podSelector"), p.PodSelector.String(),
			"must select by the label "+v1alpha1.LabelSession+", or it would hold for pods that are no desktops"))
	}
	if len(p.PolicyTypes) == 0 {
		errs = append(errs, field.Required(path.Child("policyTypes"), "name Ingress, Egress or both"))
	}
	return errs
}
