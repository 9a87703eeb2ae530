package pods

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAPodTellsThatItsNodeIsLost(t *testing.T) {
	const gate = "example.com/registered"
	pod := func(change func(*corev1.Pod), conditions ...corev1.PodCondition) *corev1.Pod {
		p := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "n"}, Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: conditions}}
		change(p)
		return p
	}
	is := func(kind corev1.PodConditionType, status corev1.ConditionStatus) corev1.PodCondition {
		return corev1.PodCondition{Type: kind, Status: status}
	}
	same := func(*corev1.Pod) {}
	gated := func(p *corev1.Pod) { p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: gate}} }
	unready, containers := is(corev1.PodReady, corev1.ConditionFalse), is(corev1.ContainersReady, corev1.ConditionTrue)
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		lost bool
	}{
		"its node does not answer":              {pod(same, unready, containers), true},
		"and it is deleted":                     {pod(func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }, unready, containers), true},
		"and its gates are open":                {pod(gated, unready, containers, is(gate, corev1.ConditionTrue)), true},
		"it runs":                               {pod(same, is(corev1.PodReady, corev1.ConditionTrue), containers), false},
		"its containers are not ready":          {pod(same, unready, is(corev1.ContainersReady, corev1.ConditionFalse)), false},
		"a readiness gate is closed":            {pod(gated, unready, containers), false},
		"it has ended":                          {pod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, unready, containers), false},
		"it has no node":                        {pod(func(p *corev1.Pod) { p.Spec.NodeName = "" }, unready, containers), false},
		"nobody has said anything of it so far": {pod(same), false},
	} {
		assert.Equal(t, c.lost, NodeLost(c.pod), name)
	}
}

func TestWhenKubernetesGivesAPodOfALostNodeUp(t *testing.T) {
	since := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	after := func(key string, effect corev1.TaintEffect, seconds ...int64) corev1.Toleration {
		t := corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: effect}
		if len(seconds) > 0 {
			t.TolerationSeconds = &seconds[0]
		}
		return t
	}
	const notReady, unreachable, noExecute = corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintEffectNoExecute
	for name, c := range map[string]struct {
		tolerations []corev1.Toleration
		want        time.Time
	}{
		"none":                {nil, since},
		"one minute for both": {[]corev1.Toleration{after(notReady, noExecute, 60), after(unreachable, noExecute, 60)}, since.Add(time.Minute)},
		"at the latest":       {[]corev1.Toleration{after(notReady, noExecute, 60), after(unreachable, noExecute, 300)}, since.Add(5 * time.Minute)},
		"the shortest of two": {[]corev1.Toleration{after("", "", 30), after(notReady, noExecute, 60), after(unreachable, noExecute)}, since.Add(30 * time.Second)},
		"for ever":            {[]corev1.Toleration{after("", "")}, time.Time{}},
		"of another effect":   {[]corev1.Toleration{after("", corev1.TaintEffectNoSchedule)}, since},
		"below nothing":       {[]corev1.Toleration{after("", noExecute, -5)}, since},
	} {
		p := &corev1.Pod{Spec: corev1.PodSpec{Tolerations: c.tolerations}, Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(since)}}}}
		assert.Equal(t, c.want, GivenUpAt(p), name)
	}
}
