package warmpool

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

const shapeNow = "now"

// waits is a pod that has waited for so long, and is ready on a node.
func waits(name string, age time.Duration, how ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(noon.Add(-age)),
		Labels: map[string]string{v1alpha1.LabelSession: ""}, Annotations: map[string]string{v1alpha1.AnnotationShapeHash: shapeNow}}}
	p.Spec.NodeName = "a"
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	for _, h := range how {
		h(p)
	}
	return p
}

func booting(p *corev1.Pod)  { p.Status.Conditions = nil }
func pending(p *corev1.Pod)  { booting(p); p.Spec.NodeName = "" }
func outdated(p *corev1.Pod) { p.Annotations[v1alpha1.AnnotationShapeHash] = "before" }
func ended(p *corev1.Pod)    { p.Status.Phase = corev1.PodFailed }
func going(p *corev1.Pod)    { p.DeletionTimestamp = &metav1.Time{Time: noon} }

func names(pods []*corev1.Pod) (all []string) {
	for _, p := range pods {
		all = append(all, p.Name)
	}
	return all
}

func TestWhatBecomesOfAPool(t *testing.T) {
	for name, test := range map[string]struct {
		pool            pool
		create          int
		remove          []string
		ready, starting []string
		again           time.Time
	}{
		"an empty one is filled, a few at a time":          {pool: pool{replicas: 5}, create: startsAtOnce},
		"what starts is waited for":                        {pool: pool{replicas: 5, waiting: []*corev1.Pod{waits("a", 0, booting), waits("b", 0, booting)}}, starting: []string{"a", "b"}},
		"one that was taken is replaced":                   {pool: pool{replicas: 2, waiting: []*corev1.Pod{waits("a", 0)}}, create: 1, ready: []string{"a"}},
		"a full one is left alone":                         {pool: pool{replicas: 2, waiting: []*corev1.Pod{waits("a", 0), waits("b", time.Hour)}}, ready: []string{"b", "a"}},
		"without a pool nothing waits":                     {pool: pool{waiting: []*corev1.Pod{waits("a", 0), waits("b", 0, booting)}}, remove: []string{"a", "b"}},
		"of too many those go that start":                  {pool: pool{replicas: 1, waiting: []*corev1.Pod{waits("a", time.Hour, booting), waits("b", 0)}}, remove: []string{"a"}, ready: []string{"b"}},
		"of another shape all go":                          {pool: pool{replicas: 2, waiting: []*corev1.Pod{waits("a", 0, outdated), waits("b", 0, outdated)}}, remove: []string{"a", "b"}, create: 2},
		"what has ended goes":                              {pool: pool{replicas: 1, waiting: []*corev1.Pod{waits("a", 0, ended)}}, remove: []string{"a"}, create: 1},
		"what goes counts for nothing":                     {pool: pool{replicas: 1, waiting: []*corev1.Pod{waits("a", 0, going)}}, create: 1},
		"one at a time is too old":                         {pool: pool{replicas: 2, maxAge: time.Hour, waiting: []*corev1.Pod{waits("a", 3*time.Hour), waits("b", 2*time.Hour)}}, remove: []string{"a"}, ready: []string{"b"}, create: 1},
		"and the next once that is replaced":               {pool: pool{replicas: 2, maxAge: time.Hour, waiting: []*corev1.Pod{waits("b", 2*time.Hour), waits("c", 0, booting)}}, ready: []string{"b"}, starting: []string{"c"}},
		"it is looked at when one becomes too old":         {pool: pool{replicas: 1, maxAge: time.Hour, waiting: []*corev1.Pod{waits("a", time.Minute)}}, ready: []string{"a"}, again: noon.Add(59 * time.Minute)},
		"after a refusal none is made for a while":         {pool: pool{replicas: 1, refusedUntil: noon.Add(time.Minute)}, again: noon.Add(time.Minute)},
		"and then again":                                   {pool: pool{replicas: 1, refusedUntil: noon}, create: 1},
		"sessions that wait come first":                    {pool: pool{replicas: 3, sessionsFirst: true, waiting: []*corev1.Pod{waits("a", 0), waits("b", 0, pending)}}, remove: []string{"b"}, ready: []string{"a"}},
		"and what has its device already starts meanwhile": {pool: pool{replicas: 1, sessionsFirst: true, waiting: []*corev1.Pod{waits("a", 0, booting)}}, starting: []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.pool.hash = shapeNow
			got := test.pool.decide(noon)
			assert.Equal(t, test.create, got.create, "made")
			assert.Equal(t, test.remove, names(got.remove), "removed")
			assert.Equal(t, test.ready, names(got.ready), "ready")
			assert.Equal(t, test.starting, names(got.starting), "starting")
			assert.Equal(t, test.again, got.again)
		})
	}
}

func TestAPoolComesToRestWithWhatItIsToHave(t *testing.T) {
	p, now := pool{replicas: 7, hash: shapeNow, maxAge: 24 * time.Hour}, noon
	for n := range 10 {
		plan := p.decide(now)
		for i := range plan.create {
			p.waiting = append(p.waiting, waits(fmt.Sprint(n, "-", i), 0))
		}
	}
	last := p.decide(now)
	assert.Len(t, last.ready, 7)
	assert.Zero(t, last.create)
	assert.Empty(t, last.remove)
}
