package lifecycle

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Resolve looks each clock up in the session, then in the template, then in the
// defaults; the nearest wins. A session's spec.timeout wins over its
// lifecycle.maxDuration. template may be nil.
func Resolve(defaults Policy, template *v1alpha1.LifecycleSpec, spec *v1alpha1.VDISessionSpec) Policy {
	p := defaults
	p.apply(template)
	p.apply(spec.Lifecycle)
	set(&p.MaxDuration, spec.Timeout)
	return p
}

func (p *Policy) apply(l *v1alpha1.LifecycleSpec) {
	if l == nil {
		return
	}
	set(&p.IdleTimeout, l.IdleTimeout)
	set(&p.DisconnectTimeout, l.DisconnectTimeout)
	set(&p.MaxDuration, l.MaxDuration)
	set(&p.StartupTimeout, l.StartupTimeout)
}

func set(to *time.Duration, from *v1alpha1.Duration) {
	if from != nil {
		*to = from.Duration.Duration
	}
}

// Effective is the policy as a session's status shows it.
func (p Policy) Effective() *v1alpha1.EffectiveLifecycle {
	return &v1alpha1.EffectiveLifecycle{
		IdleTimeout:       metav1.Duration{Duration: p.IdleTimeout},
		DisconnectTimeout: metav1.Duration{Duration: p.DisconnectTimeout},
		MaxDuration:       metav1.Duration{Duration: p.MaxDuration},
		StartupTimeout:    metav1.Duration{Duration: p.StartupTimeout},
	}
}

// EffectivePolicy reads back what Effective wrote; nil is every clock off, which
// puts nothing to sleep.
func EffectivePolicy(e *v1alpha1.EffectiveLifecycle) Policy {
	if e == nil {
		return Policy{}
	}
	return Policy{
		IdleTimeout:       e.IdleTimeout.Duration,
		DisconnectTimeout: e.DisconnectTimeout.Duration,
		MaxDuration:       e.MaxDuration.Duration,
		StartupTimeout:    e.StartupTimeout.Duration,
	}
}

// DecideSession is Decide over what a session's object says.
func DecideSession(now time.Time, p Policy, s *v1alpha1.VDISession) Decision {
	var a Activity
	if act := s.Status.Activity; act != nil {
		a = Activity{LastWake: at(act.LastWakeTime), LastConnected: at(act.LastConnectedTime), LastInput: at(act.LastInputTime)}
	}
	r := Record{AwakeSince: at(s.Status.StartTime), ReadyAt: at(s.Status.ReadyTime), AsleepSince: at(s.Status.SleepTime)}
	switch s.Spec.Power {
	case v1alpha1.PowerAlwaysOn:
		r.Power = AlwaysOn
	case v1alpha1.PowerOff:
		r.Power = Off
	}
	return Decide(now, p, a, r)
}

func at(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
