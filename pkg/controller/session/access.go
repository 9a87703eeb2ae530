package session

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

// accessEnforced says how far the desktop, as it is or as it wakes next, is held to its policy.
func (p *pass) accessEnforced() {
	policy := p.session.Status.Access
	if policy == nil {
		meta.RemoveStatusCondition(&p.session.Status.Conditions, v1alpha1.ConditionAccessEnforced)
		return
	}
	is, reason, message := workload.Enforced(policy, p.session.Protocol())
	p.condition(v1alpha1.ConditionAccessEnforced, is, reason, message)
}
