package record

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

var alice = types.NamespacedName{Namespace: "desktops", Name: "alice"}

func TestActivityOnlyMovesForwardAndNothingElseIsTouched(t *testing.T) {
	noon := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: noon.Add(d)} }
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name}}
	s.Status.Phase = v1alpha1.PhaseAsleep
	s.Status.Activity = &v1alpha1.SessionActivity{LastConnectedTime: at(0), LastInputTime: at(0)}
	writes := 0
	w := newWriter(t, s, &writes)

	require.NoError(t, w.WriteActivity(t.Context(), alice, Activity{Wake: noon.Add(time.Minute), Connected: noon.Add(-time.Minute)}))
	var got v1alpha1.VDISession
	require.NoError(t, w.Client.Get(t.Context(), alice, &got))
	a := got.Status.Activity
	if got.Status.Phase != v1alpha1.PhaseAsleep || !a.LastWakeTime.Time.Equal(noon.Add(time.Minute)) ||
		!a.LastConnectedTime.Time.Equal(noon) || !a.LastInputTime.Time.Equal(noon) {
		t.Errorf("status is %+v with %+v", got.Status, a)
	}
	require.NoError(t, w.WriteActivity(t.Context(), alice, Activity{Connected: noon, Input: noon.Add(-time.Hour)}))
	assert.Equal(t, 1, writes, "writes; what moves nothing forward must not be written")
	gone := types.NamespacedName{Namespace: alice.Namespace, Name: "bob"}
	assert.ErrorIs(t, w.WriteActivity(t.Context(), gone, Activity{Connected: noon}), ErrGone, "want ErrGone")
}

func TestWhatAClockThatIsAheadHasRecordedIsOverwritten(t *testing.T) {
	now := time.Now().Truncate(time.Microsecond)
	ahead := &metav1.MicroTime{Time: now.AddDate(1, 0, 0)}
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name}}
	s.Status.Activity = &v1alpha1.SessionActivity{
		LastWakeTime: ahead, LastConnectedTime: ahead, LastInputTime: ahead, LastWatchedTime: ahead, LastReachedTime: ahead}
	writes := 0
	w := newWriter(t, s, &writes)
	require.NoError(t, w.WriteActivity(t.Context(), alice, Activity{Wake: now, Connected: now, Input: now, Watched: now, Reached: now}))
	var got v1alpha1.VDISession
	require.NoError(t, w.Client.Get(t.Context(), alice, &got))
	a := got.Status.Activity
	for field, at := range map[string]*metav1.MicroTime{"wake": a.LastWakeTime, "connected": a.LastConnectedTime, "input": a.LastInputTime,
		"watched": a.LastWatchedTime, "reached": a.LastReachedTime} {
		assert.True(t, at.Time.Equal(now), "%s is %s, want now", field, at)
	}
	// One that is a little ahead has not lost its way: the record does not go back.
	little := now.Add(lifecycle.Ahead / 2)
	require.NoError(t, w.WriteActivity(t.Context(), alice, Activity{Connected: little}))
	w.Directory.SetSession(&v1alpha1.VDISession{ObjectMeta: s.ObjectMeta, Status: v1alpha1.VDISessionStatus{
		Activity: &v1alpha1.SessionActivity{LastConnectedTime: &metav1.MicroTime{Time: little}}}})
	writes = 0
	require.NoError(t, w.WriteActivity(t.Context(), alice, Activity{Connected: now}))
	assert.Zero(t, writes, "the record went back")
}

func TestAWakeIsWrittenWithItsTraceAndNotWithAnEarlierOne(t *testing.T) {
	noon := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
	const first = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name}}
	writes := 0
	w := newWriter(t, s, &writes)
	expect := func(a Activity, want string) {
		t.Helper()
		require.NoError(t, w.WriteActivity(t.Context(), alice, a))
		var got v1alpha1.VDISession
		require.NoError(t, w.Client.Get(t.Context(), alice, &got))
		assert.Equal(t, want, got.Status.Activity.Traceparent,
			"traceparent %q after %+v, want %q", got.Status.Activity.Traceparent, a, want)
	}
	expect(Activity{Wake: noon, Connected: noon, Traceparent: first}, first)
	expect(Activity{Connected: noon.Add(time.Minute)}, first)
	expect(Activity{Wake: noon.Add(time.Hour), Connected: noon.Add(time.Hour)}, "")
}

// newWriter is a writer of a session that its directory knows as it is given here.
func newWriter(t *testing.T, s *v1alpha1.VDISession, writes *int) *Writer {
	t.Helper()
	dir := directory.New(func(_, name string) string { return name }, nil)
	dir.SetSession(s)
	return &Writer{Client: newClient(t, s, writes), Directory: dir}
}

func newClient(t *testing.T, s *v1alpha1.VDISession, writes *int) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(s.DeepCopy()).WithStatusSubresource(s).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: func(
			ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			*writes++
			if sub != "status" || p.Type() != types.MergePatchType {
				t.Errorf("wrote %s by %s, want the status by merge patch", sub, p.Type())
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		}}).Build()
}

func TestAReplicaSaysWhoIsConnectedAndForgetsThoseThatDied(t *testing.T) {
	now := time.Now()
	said := func(ago time.Duration) v1alpha1.ReplicaPresence {
		return v1alpha1.ReplicaPresence{At: metav1.NewMicroTime(now.Add(-ago)), People: []v1alpha1.PresentPerson{{User: "ada"}}}
	}
	people := []v1alpha1.PresentPerson{{User: "bob", Role: "Viewer"}}
	have := map[string]v1alpha1.ReplicaPresence{"us": said(20 * time.Second), "other": said(0), "dead": said(time.Hour)}
	assert.Equal(t, map[string]*v1alpha1.ReplicaPresence{"dead": nil, "us": {At: metav1.NewMicroTime(now), People: people}},
		presentPatch(have, &Presence{"us", people}, now))
	assert.Equal(t, map[string]*v1alpha1.ReplicaPresence{"dead": nil, "us": nil}, presentPatch(have, &Presence{Replica: "us"}, now))
	assert.Nil(t, presentPatch(have, nil, now), "an observation that says nothing of people")
	assert.Nil(t, presentPatch(nil, &Presence{Replica: "us"}, now), "nobody is there, and nobody was")

	many := presentPatch(nil, &Presence{"us", make([]v1alpha1.PresentPerson, 1000)}, now)
	assert.Len(t, many["us"].People, v1alpha1.MaxPresentPeople)
	full := map[string]v1alpha1.ReplicaPresence{}
	for i := range v1alpha1.MaxPresentReplicas {
		full[fmt.Sprint(i)] = said(0)
	}
	assert.Nil(t, presentPatch(full, &Presence{"us", people}, now), "one more would have the whole report refused")
	full["us"] = said(0)
	delete(full, "0")
	assert.Contains(t, presentPatch(full, &Presence{"us", people}, now), "us")
}
