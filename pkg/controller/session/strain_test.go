package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/nodeapi"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// low is the pressure of a node whose processes wait for so much of the time, with little to give.
func low(stalled float64) *nodeapi.Pressure { return &nodeapi.Pressure{Stalled: stalled, Available: 5} }

func TestWhenANodeIsShortOfMemory(t *testing.T) {
	plenty := func(stalled float64) *nodeapi.Pressure {
		return &nodeapi.Pressure{Stalled: stalled, Available: leastAvailable}
	}
	for name, test := range map[string]struct {
		limit   int
		looks   []*nodeapi.Pressure // 10 s apart
		kubelet bool                // at the last look
		short   bool
	}{
		"at rest":                                 {20, []*nodeapi.Pressure{low(0), low(0), low(0), low(0), low(0)}, false, false},
		"under pressure for half a minute":        {20, []*nodeapi.Pressure{low(20), low(20), low(20), low(20)}, false, true},
		"not yet":                                 {20, []*nodeapi.Pressure{low(90), low(90), low(90)}, false, false},
		"with a break":                            {20, []*nodeapi.Pressure{low(90), low(90), low(19), low(90), low(90), low(90)}, false, false},
		"with a look that told nothing":           {20, []*nodeapi.Pressure{low(90), low(90), nil, low(90), low(90), low(90)}, false, false},
		"some container at a limit of its own":    {20, []*nodeapi.Pressure{plenty(90), plenty(90), plenty(90), plenty(90)}, false, false},
		"still, at more than half of the limit":   {20, []*nodeapi.Pressure{low(90), low(90), low(90), low(90), low(10), low(10)}, false, true},
		"no more, below it":                       {20, []*nodeapi.Pressure{low(90), low(90), low(90), low(90), low(9)}, false, false},
		"nor with memory to give":                 {20, []*nodeapi.Pressure{low(90), low(90), low(90), low(90), plenty(90)}, false, false},
		"nor where nobody knows":                  {20, []*nodeapi.Pressure{low(90), low(90), low(90), low(90), nil}, false, false},
		"and half a minute counts anew":           {20, []*nodeapi.Pressure{low(90), low(90), low(90), low(90), low(9), low(90)}, false, false},
		"kubelet says so":                         {20, []*nodeapi.Pressure{low(0)}, true, true},
		"kubelet says so, and the kernel nothing": {20, []*nodeapi.Pressure{nil}, true, true},
		"switched off":                            {0, []*nodeapi.Pressure{low(100), low(100), low(100), low(100), low(100)}, false, false},
		"switched off, and kubelet says so":       {0, []*nodeapi.Pressure{low(0)}, true, true},
	} {
		s := strain{}
		for i, is := range test.looks {
			s = s.seen(noon.Add(time.Duration(i)*pressureLookedAt), test.kubelet && i == len(test.looks)-1, is, test.limit)
		}
		assert.Equal(t, test.short, s.short, name)
	}
}

func TestANodeHasTimeToFeelTheRelief(t *testing.T) {
	s := strain{short: true}
	assert.True(t, s.due(noon))
	s.gave = noon
	assert.False(t, s.due(noon.Add(reliefPause-time.Second)))
	assert.True(t, s.due(noon.Add(reliefPause)))
	s.ending = noon.Add(reliefPause)
	assert.False(t, s.due(noon.Add(reliefPause+endsWithin-time.Second)), "while something ends there")
	assert.True(t, s.due(noon.Add(reliefPause+endsWithin)), "what takes longer may never end")
	s.short = false
	assert.False(t, s.due(noon.Add(time.Hour)))
}

func TestWhoGivesWayToANodeFirst(t *testing.T) {
	pod := func(name string, age time.Duration, how ...func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(noon.Add(-age))}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		for _, h := range how {
			h(p)
		}
		return p
	}
	starts := func(p *corev1.Pod) { p.Status.Conditions = nil }
	ends := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: noon.Add(time.Hour)} }
	dozes := func(name string, since time.Duration, how ...func(*v1alpha1.VDISession)) *v1alpha1.VDISession {
		s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
		s.Status.Doze = &v1alpha1.SessionDoze{Since: metav1.NewMicroTime(noon.Add(-since))}
		for _, h := range how {
			h(s)
		}
		return s
	}
	isBack := func(s *v1alpha1.VDISession) {
		at := metav1.NewMicroTime(noon)
		s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: &at}
	}
	inUse := func(s *v1alpha1.VDISession) {
		at := metav1.NewMicroTime(noon)
		s.Status.Activity = &v1alpha1.SessionActivity{LastConnectedTime: &at}
	}
	always := func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerAlwaysOn }
	lost := func(s *v1alpha1.VDISession) { s.Status.Doze.Lost = true }
	goes := func(s *v1alpha1.VDISession) {
		s.DeletionTimestamp, s.Status.Doze.GivesWayTo = &metav1.Time{Time: noon}, "somebody"
	}
	gives := func(s *v1alpha1.VDISession) { s.Status.Doze.GivesWayTo = "somebody" }
	type (
		waits  = []*corev1.Pod
		dozing = []*v1alpha1.VDISession
	)
	for name, test := range map[string]struct {
		waits  waits
		dozing dozing
		want   string
	}{
		"nobody":                                  {nil, nil, ""},
		"who waits, before who dozes":             {waits{pod("a", time.Minute)}, dozing{dozes("ada", time.Hour)}, "a"},
		"the youngest, which is claimed last":     {waits{pod("a", time.Hour), pod("b", time.Minute), pod("c", 2*time.Hour)}, nil, "b"},
		"one that still starts, before":           {waits{pod("a", time.Minute), pod("b", time.Hour, starts)}, nil, "b"},
		"none while one ends":                     {waits{pod("a", time.Minute), pod("b", time.Hour, ends)}, dozing{dozes("ada", time.Hour)}, ""},
		"who has dozed for longest":               {nil, dozing{dozes("bob", time.Minute), dozes("ada", time.Hour), dozes("eve", 2*time.Minute)}, "ada"},
		"of two that began together always one":   {nil, dozing{dozes("bob", time.Hour), dozes("ada", time.Hour)}, "ada"},
		"never one that wakes":                    {nil, dozing{dozes("ada", time.Hour, isBack), dozes("bob", time.Minute)}, "bob"},
		"nor one in use":                          {nil, dozing{dozes("ada", time.Hour, inUse)}, ""},
		"nor one that is always on, or lost":      {nil, dozing{dozes("ada", time.Hour, always), dozes("bob", time.Hour, lost)}, ""},
		"none while another gives way":            {nil, dozing{dozes("ada", time.Hour), dozes("bob", time.Minute, gives)}, ""},
		"nor one whose session goes":              {nil, dozing{dozes("ada", time.Hour, goes), dozes("bob", time.Minute)}, "bob"},
		"one that will not, for somebody is back": {nil, dozing{dozes("ada", time.Minute), dozes("bob", time.Hour, gives, isBack)}, "ada"},
	} {
		got, there := "", spare{test.waits, test.dozing}
		if order := there.inOrder(noon); !there.ends(noon) && len(order) > 0 {
			if first := order[0]; first.pod != nil {
				got = first.pod.Name
			} else {
				got = first.session.Name
			}
		}
		assert.Equal(t, test.want, got, name)
	}
}
