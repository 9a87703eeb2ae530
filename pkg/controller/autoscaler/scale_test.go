package autoscaler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func micro(ago time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: now.Add(-ago)} }

// asleep is a session whose controller has recorded that it sleeps.
func asleep(change func(*v1alpha1.VDISession)) *v1alpha1.VDISession {
	s := &v1alpha1.VDISession{}
	s.Status.ObservedGeneration = 1
	change(s)
	return s
}

// service is a Knative Service whose newest revision is "new".
func service(change func(*servingv1.Service)) *servingv1.Service {
	s := &servingv1.Service{}
	s.Generation, s.Status.ObservedGeneration = 2, 2
	s.Status.InitializeConditions()
	s.Status.LatestCreatedRevisionName = "new"
	change(s)
	return s
}

func TestDesiredScale(t *testing.T) {
	const zero, one, leaveAlone = 0, 1, -1
	same, sameService := func(*v1alpha1.VDISession) {}, func(*servingv1.Service) {}
	visited := func(s *v1alpha1.VDISession) { s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: micro(0)} }
	running := func(s *v1alpha1.VDISession) {
		visited(s)
		s.Status.StartTime = micro(time.Minute)
	}
	for name, c := range map[string]struct {
		session  *v1alpha1.VDISession
		service  *servingv1.Service
		revision string
		want     int32
	}{
		"an unknown session":                            {nil, service(sameService), "new", leaveAlone},
		"a session that nobody has looked at":           {&v1alpha1.VDISession{}, service(sameService), "new", leaveAlone},
		"a session that sleeps":                         {asleep(same), service(sameService), "new", zero},
		"it sleeps whatever Knative says":               {asleep(same), nil, "new", zero},
		"a visit that is not recorded yet":              {asleep(visited), service(sameService), "new", one},
		"a visit to a session without any record":       {func() *v1alpha1.VDISession { s := &v1alpha1.VDISession{}; visited(s); return s }(), service(sameService), "new", one},
		"a session that runs":                           {asleep(running), service(sameService), "new", one},
		"an older revision of one that runs":            {asleep(running), service(sameService), "old", zero},
		"a Service that does not exist":                 {asleep(running), nil, "new", leaveAlone},
		"a Service that Knative has not caught up with": {asleep(running), service(func(s *servingv1.Service) { s.Generation = 3 }), "old", leaveAlone},
		"a Configuration that is behind":                {asleep(running), service(func(s *servingv1.Service) { s.Status.MarkConfigurationNotReconciled() }), "old", leaveAlone},
		"a Service without a revision":                  {asleep(running), service(func(s *servingv1.Service) { s.Status.LatestCreatedRevisionName = "" }), "new", leaveAlone},
		"a clock that ran out, not recorded yet": {asleep(func(s *v1alpha1.VDISession) {
			running(s)
			s.Status.Lifecycle = &v1alpha1.Lifecycle{MaxDuration: v1alpha1.NewDuration(10 * time.Second)}
		}), service(sameService), "new", leaveAlone},
		"switched off, not recorded yet": {asleep(func(s *v1alpha1.VDISession) { running(s); s.Spec.Power = v1alpha1.PowerOff }), service(sameService), "new", leaveAlone},
		"switched off and recorded":      {asleep(func(s *v1alpha1.VDISession) { visited(s); s.Spec.Power = v1alpha1.PowerOff }), service(sameService), "new", zero},
		"always on":                      {asleep(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerAlwaysOn }), service(sameService), "new", one},
		"being deleted":                  {asleep(func(s *v1alpha1.VDISession) { running(s); s.DeletionTimestamp = &metav1.Time{Time: now} }), service(sameService), "new", zero},
	} {
		t.Run(name, func(t *testing.T) {
			pa := &autoscalingv1alpha1.PodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: c.revision}}
			got := desiredScale(now, pa, c.session, c.service)
			assert.Equal(t, c.want, valueOr(got, leaveAlone))
		})
	}
}

func valueOr(v *int32, otherwise int32) int32 {
	if v == nil {
		return otherwise
	}
	return *v
}
