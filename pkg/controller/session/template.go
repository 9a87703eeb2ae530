package session

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// resolveTemplate finds the session's template and what its clocks come out as. A
// missing template is a condition that mends itself when the template appears.
func (p *pass) resolveTemplate(ctx context.Context) error {
	template := &v1alpha1.VDITemplate{}
	err := p.Client.Get(ctx, types.NamespacedName{Name: p.session.Spec.Template}, template)
	switch {
	case apierrors.IsNotFound(err):
		message := fmt.Sprintf("VDITemplate %q does not exist; create it, or create a session for one that does.", p.session.Spec.Template)
		p.block(v1alpha1.ConditionTemplateResolved, v1alpha1.ReasonTemplateNotFound, message)
		// A desktop that runs keeps the clocks it has.
		if known := p.session.Status.Lifecycle; known != nil {
			p.policy = lifecycle.EffectivePolicy(known)
		} else {
			p.policy = lifecycle.Resolve(p.Defaults.Now().Lifecycle, nil, &p.session.Spec)
		}
	case err != nil:
		return err
	default:
		p.template = template
		p.condition(v1alpha1.ConditionTemplateResolved, true, v1alpha1.ReasonTemplateFound, "")
		p.policy = lifecycle.Resolve(p.Defaults.Now().Lifecycle, template.Spec.Lifecycle, &p.session.Spec)
	}
	lifecycle.Shorten(p.now, p.before.Status.Lifecycle, p.policy, p.session)
	p.policy.Listening = p.listening(p.now)
	p.session.Status.Lifecycle = p.policy.DeepCopy()
	return nil
}
