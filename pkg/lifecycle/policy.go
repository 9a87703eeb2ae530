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
	// NoDoze says that nothing could freeze the desktop now: no doze begins.
	NoDoze bool
}

// Resolve reads each clock from the session, then from the template, then from the
// defaults; the nearest wins. A session's spec.timeout wins over its
// lifecycle.maxDuration. A desktop that is always on dozes only where its own session says so.
// template may be nil.
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
	if spec.Power == v1alpha1.PowerAlwaysOn && (spec.Lifecycle == nil || spec.Lifecycle.DozeAfter == nil) {
		p.DozeAfter = v1alpha1.NewDuration(0)
	}
	return p
}

// SleepsFirst says that a desktop that nobody is connected to sleeps before it would doze.
func (p Policy) SleepsFirst() bool {
	leaves := p.DisconnectTimeout.OrZero()
	return leaves > 0 && leaves <= p.DozeAfter.OrZero()
}

// EffectivePolicy is the policy that a session's status shows; nil is every clock off,
// which puts nothing to sleep.
func EffectivePolicy(l *v1alpha1.Lifecycle) Policy {
	return Policy{Lifecycle: ptr.Deref(l, v1alpha1.Lifecycle{})}
}
