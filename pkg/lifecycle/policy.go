package lifecycle

import (
	"k8s.io/utils/ptr"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Policy is what holds for one desktop.
type Policy struct {
	// Lifecycle sets the clocks; one that is not set, or 0, is off.
	v1alpha1.Lifecycle
	// Listening is what the deciding replica knows of who reports activity; nil is that
	// reports have always been received.
	Listening *Listening
}

// Resolve reads each clock from the session, then from the template, then from the
// defaults; the nearest wins. A session's spec.timeout wins over its
// lifecycle.maxDuration. template may be nil.
func Resolve(defaults v1alpha1.Lifecycle, template *v1alpha1.Lifecycle, spec *v1alpha1.VDISessionSpec) Policy {
	p := Policy{Lifecycle: defaults}
	for _, nearer := range []*v1alpha1.Lifecycle{template, spec.Lifecycle, {MaxDuration: spec.Timeout}} {
		if nearer == nil {
			continue
		}
		for _, c := range Clocks {
			if set := c.Setting(*nearer); set != nil {
				*c.field(&p.Lifecycle) = set
			}
		}
	}
	return p
}

// EffectivePolicy is the policy that a session's status shows; nil is every clock off,
// which puts nothing to sleep.
func EffectivePolicy(l *v1alpha1.Lifecycle) Policy {
	return Policy{Lifecycle: ptr.Deref(l, v1alpha1.Lifecycle{})}
}
