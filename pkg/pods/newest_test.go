package pods

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestADesktopIsItsNewestPodThatStays(t *testing.T) {
	at := func(second int) metav1.Time { return metav1.NewTime(time.Unix(int64(second), 0)) }
	gone := at(9)
	pod := func(name string, created int, change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: at(created)}}
		change(p)
		return p
	}
	same := func(*corev1.Pod) {}
	ready := func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	leaves := func(p *corev1.Pod) { p.DeletionTimestamp = &gone }
	for want, pods := range map[string][]*corev1.Pod{
		"":       {pod("leaving", 1, leaves)},
		"new":    {pod("old", 1, same), pod("new", 2, same), pod("leaving", 3, leaves)},
		"runs":   {pod("runs", 1, same), pod("failed", 2, func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })},
		"ready":  {pod("ready", 1, ready), pod("pending", 2, same)},
		"failed": {pod("failed", 2, func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })},
		"b":      {pod("a", 1, same), pod("b", 1, same)},
	} {
		for range 2 {
			got := ""
			if p := Newest(slices.Values(pods)); p != nil {
				got = p.Name
			}
			assert.Equal(t, want, got)
			slices.Reverse(pods) // their order does not matter
		}
	}
}
