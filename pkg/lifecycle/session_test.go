package lifecycle

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func clock(d time.Duration) *v1alpha1.Duration {
	return &v1alpha1.Duration{Duration: metav1.Duration{Duration: d}}
}

func TestTheNearestClockWins(t *testing.T) {
	defaults := Policy{IdleTimeout: 1 * time.Hour, DisconnectTimeout: 2 * time.Hour, MaxDuration: 3 * time.Hour, StartupTimeout: 4 * time.Hour}
	template := &v1alpha1.LifecycleSpec{IdleTimeout: clock(10 * time.Minute), MaxDuration: clock(20 * time.Minute)}
	for name, c := range map[string]struct {
		template *v1alpha1.LifecycleSpec
		spec     v1alpha1.VDISessionSpec
		want     Policy
	}{
		"the defaults hold where nobody says otherwise": {nil, v1alpha1.VDISessionSpec{}, defaults},
		"the template over the defaults": {template, v1alpha1.VDISessionSpec{},
			Policy{IdleTimeout: 10 * time.Minute, DisconnectTimeout: 2 * time.Hour, MaxDuration: 20 * time.Minute, StartupTimeout: 4 * time.Hour}},
		"the session over the template": {template, v1alpha1.VDISessionSpec{Lifecycle: &v1alpha1.LifecycleSpec{IdleTimeout: clock(0), StartupTimeout: clock(time.Minute)}},
			Policy{DisconnectTimeout: 2 * time.Hour, MaxDuration: 20 * time.Minute, StartupTimeout: time.Minute}},
		"a session switches on again what the template switched off": {&v1alpha1.LifecycleSpec{IdleTimeout: clock(0)}, v1alpha1.VDISessionSpec{Lifecycle: &v1alpha1.LifecycleSpec{IdleTimeout: clock(time.Minute)}},
			Policy{IdleTimeout: time.Minute, DisconnectTimeout: 2 * time.Hour, MaxDuration: 3 * time.Hour, StartupTimeout: 4 * time.Hour}},
		"a template's 0s over the defaults": {&v1alpha1.LifecycleSpec{IdleTimeout: clock(0)}, v1alpha1.VDISessionSpec{},
			Policy{DisconnectTimeout: 2 * time.Hour, MaxDuration: 3 * time.Hour, StartupTimeout: 4 * time.Hour}},
		"spec.timeout over everything": {template, v1alpha1.VDISessionSpec{Timeout: clock(5 * time.Minute), Lifecycle: &v1alpha1.LifecycleSpec{MaxDuration: clock(time.Hour)}},
			Policy{IdleTimeout: 10 * time.Minute, DisconnectTimeout: 2 * time.Hour, MaxDuration: 5 * time.Minute, StartupTimeout: 4 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Resolve(defaults, c.template, &c.spec)
			if got != c.want {
				t.Errorf("have %+v, want %+v", got, c.want)
			}
			if back := EffectivePolicy(got.Effective()); back != got {
				t.Errorf("the status says %+v, not %+v", back, got)
			}
		})
	}
}

func TestAnUnknownPolicyPutsNothingToSleep(t *testing.T) {
	s := &v1alpha1.VDISession{}
	s.Status.StartTime = &metav1.MicroTime{Time: ago(1000 * time.Hour)}
	if d := DecideSession(noon, EffectivePolicy(nil), s); !d.Awake {
		t.Errorf("asleep for %s", d.Reason)
	}
}

func TestASessionsObjectIsReadAsItStands(t *testing.T) {
	s := &v1alpha1.VDISession{}
	micro := func(t time.Time) *metav1.MicroTime { return &metav1.MicroTime{Time: t} }
	s.Status.SleepTime = micro(ago(time.Hour))
	s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: micro(ago(time.Minute))}
	if d := DecideSession(noon, Policy{}, s); !d.Awake {
		t.Errorf("a visit after the sleep does not wake: %+v", d)
	}
	s.Spec.Power = v1alpha1.PowerOff
	if d := DecideSession(noon, Policy{}, s); d.Awake {
		t.Errorf("awake while off: %+v", d)
	}
	s.Spec.Power, s.Status.Activity = v1alpha1.PowerAlwaysOn, nil
	if d := DecideSession(noon, Policy{}, s); !d.Awake {
		t.Errorf("asleep while always on: %+v", d)
	}
}
