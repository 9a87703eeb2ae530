package priority

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// many is more than what is looked at without a pause.
const many = 3 * atOnce

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func clock() time.Time { return now }

func asleep(name string) *v1alpha1.VDISession {
	return &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Generation: 1},
		Status: v1alpha1.VDISessionStatus{ObservedGeneration: 1}}
}

func visited(s *v1alpha1.VDISession) *v1alpha1.VDISession {
	s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: &metav1.MicroTime{Time: now}}
	return s
}

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "ns", Name: name}}
}

func name(i int) string { return fmt.Sprintf("s-%d", i) }

func itself(_ context.Context, o client.Object) []reconcile.Request {
	return []reconcile.Request{request(o.GetName())}
}

func everySession(context.Context, *v1alpha1.VDITemplate) (all []reconcile.Request) {
	for i := range many {
		all = append(all, request(name(i)))
	}
	return all
}

func newQueue(t *testing.T) priorityqueue.PriorityQueue[reconcile.Request] {
	q := priorityqueue.New[reconcile.Request](t.Name())
	t.Cleanup(q.ShutDown)
	return q
}

func next(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request], wantName string, wantPlace int) {
	t.Helper()
	r, place, down := q.GetWithPriority()
	require.False(t, down)
	assert.Equal(t, wantName, r.Name)
	assert.Equal(t, wantPlace, place)
}

func TestWhoWaitsForADesktopComesBeforeAChangeOfEverySession(t *testing.T) {
	q, sessions := newQueue(t), OfSessions(clock, itself)
	OfMany(everySession).Update(t.Context(), event.TypedUpdateEvent[*v1alpha1.VDITemplate]{}, q)
	last, other := asleep(name(many-1)), asleep("other")
	sessions.Update(t.Context(), event.UpdateEvent{ObjectOld: other, ObjectNew: other}, q)
	sessions.Update(t.Context(), event.UpdateEvent{ObjectOld: last, ObjectNew: visited(last.DeepCopy())}, q)
	next(t, q, last.Name, Wake)
	next(t, q, "other", Ordinary)
	next(t, q, name(0), Background)
}

func TestAWakeDoesNotWaitForAnEarlierRenewal(t *testing.T) {
	q, s := newQueue(t), asleep("ada")
	q.AddWithOpts(priorityqueue.AddOpts{Priority: new(Background), After: time.Hour}, request(s.Name))
	OfSessions(clock, itself).Update(t.Context(), event.UpdateEvent{ObjectOld: s, ObjectNew: visited(s.DeepCopy())}, q)
	next(t, q, s.Name, Wake)
}

func TestAChangeOfEverySessionIsPaced(t *testing.T) {
	q := newQueue(t)
	OfMany(everySession).Update(t.Context(), event.TypedUpdateEvent[*v1alpha1.VDITemplate]{}, q)
	assert.Less(t, q.Len(), many/2, "have their turn at once")
	assert.Zero(t, pause(atOnce))
	assert.Equal(t, 3*time.Second, pause(atOnce+3*perSecond))
}

func TestAtTheStartTheSleepingComeLittleByLittle(t *testing.T) {
	q, sessions := newQueue(t), OfSessions(clock, itself)
	for i := range many {
		sessions.Create(t.Context(), event.CreateEvent{Object: asleep(name(i)), IsInInitialList: true}, q)
	}
	assert.Less(t, q.Len(), many/2, "have their turn at once")
	unseen := asleep("unseen")
	unseen.Status = v1alpha1.VDISessionStatus{}
	sessions.Create(t.Context(), event.CreateEvent{Object: unseen, IsInInitialList: true}, q)
	sessions.Create(t.Context(), event.CreateEvent{Object: visited(asleep("ada")), IsInInitialList: true}, q)
	next(t, q, "ada", Wake)
	next(t, q, "unseen", Ordinary)
	next(t, q, name(0), Background)
}

func TestWhatExistsAtTheStartIsLeftOut(t *testing.T) {
	p := SinceStart()
	assert.False(t, p.Create(event.CreateEvent{IsInInitialList: true}))
	assert.True(t, p.Create(event.CreateEvent{}))
	assert.True(t, p.Update(event.UpdateEvent{}))
	assert.True(t, p.Delete(event.DeleteEvent{}))
}

func TestTheQueueOfADeletedSessionIsThatOfAnyChange(t *testing.T) {
	q := newQueue(t)
	OfSessions(clock, itself).Delete(t.Context(), event.DeleteEvent{Object: asleep("ada")}, q)
	next(t, q, "ada", Ordinary)
}

func TestAPlaceFollowsFromWhatTheSessionIs(t *testing.T) {
	with := func(change func(*v1alpha1.VDISession)) *v1alpha1.VDISession {
		s := asleep("ada")
		change(s)
		return s
	}
	for what, c := range map[string]struct {
		session *v1alpha1.VDISession
		want    int
	}{
		"asleep":                 {asleep("ada"), Background},
		"never seen":             {with(func(s *v1alpha1.VDISession) { s.Status = v1alpha1.VDISessionStatus{} }), Ordinary},
		"changed since":          {with(func(s *v1alpha1.VDISession) { s.Generation = 2 }), Ordinary},
		"visited":                {visited(asleep("ada")), Wake},
		"switched on":            {with(func(s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerAlwaysOn }), Wake},
		"visited but turned off": {with(func(s *v1alpha1.VDISession) { visited(s).Spec.Power = v1alpha1.PowerOff }), Background},
		"starts":                 {with(func(s *v1alpha1.VDISession) { visited(s).Status.StartTime = &metav1.MicroTime{Time: now} }), Starting},
		"runs": {with(func(s *v1alpha1.VDISession) {
			visited(s).Status.StartTime = &metav1.MicroTime{Time: now}
			s.Status.ReadyTime = s.Status.StartTime
		}), Ordinary},
		"being deleted": {with(func(s *v1alpha1.VDISession) { visited(s).DeletionTimestamp = &metav1.Time{Time: now} }), Ordinary},
	} {
		assert.Equal(t, c.want, Of(now, c.session), what)
	}
}
