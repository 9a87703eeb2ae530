package record

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestAViewerIsRecordedByWhoSawTheSessionAsItIs(t *testing.T) {
	noon := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name}}
	s.Status.Activity = &v1alpha1.SessionActivity{LastInputTime: &metav1.MicroTime{Time: noon}}
	writes := 0
	w := newWriter(t, s, &writes)
	now := func() *v1alpha1.VDISession {
		t.Helper()
		var got v1alpha1.VDISession
		require.NoError(t, w.Client.Get(t.Context(), alice, &got))
		return &got
	}
	one := &v1alpha1.SessionViewer{Page: "00112233445566778899aabbccddeeff", Since: metav1.MicroTime{Time: noon}, Replica: "a"}
	two := &v1alpha1.SessionViewer{Page: "ffeeddccbbaa99887766554433221100", Since: metav1.MicroTime{Time: noon.Add(time.Second)},
		Replica: "b"}
	seen := now().ResourceVersion
	require.NoError(t, w.WriteViewer(t.Context(), alice, one, seen))
	assert.ErrorIs(t, w.WriteViewer(t.Context(), alice, two, seen), ErrChanged, "the second of two claims, want ErrChanged")
	if got := now().Status.Activity; got.Viewer == nil || got.Viewer.Page != one.Page || got.Viewer.Replica != "a" ||
		!got.Viewer.Since.Time.Equal(noon) ||
		!got.LastInputTime.Time.Equal(noon) {
		t.Errorf("recorded %+v of %+v", got.Viewer, got)
	}
	// A person's wish asks for nothing.
	require.NoError(t, w.WriteViewer(t.Context(), alice, two, ""))
	assert.Equal(t, two.Page, now().Status.Activity.Viewer.Page, "recorded %+v", now().Status.Activity.Viewer)
	// A free view says so, and keeps nothing of who had it.
	free := &v1alpha1.SessionViewer{Since: metav1.MicroTime{Time: noon.Add(time.Minute)}}
	require.NoError(t, w.WriteViewer(t.Context(), alice, free, now().ResourceVersion))
	got := now().Status.Activity.Viewer
	require.NotNil(t, got)
	require.Empty(t, got.Page)
	assert.Empty(t, got.Replica, "recorded %+v", got)
	// Other activity leaves it alone.
	err := w.WriteActivity(t.Context(), alice, Activity{Connected: noon.Add(time.Hour), Wake: noon.Add(time.Hour)})
	require.NoError(t, err)
	assert.NotNil(t, now().Status.Activity.Viewer, "recorded %+v", now().Status.Activity)
	err = w.WriteViewer(t.Context(), alice, nil, now().ResourceVersion)
	require.NoError(t, err)
	require.Nil(t, now().Status.Activity.Viewer)
	assert.NotNil(t, now().Status.Activity.LastConnectedTime, "recorded %+v", now().Status.Activity)
	gone := types.NamespacedName{Namespace: alice.Namespace, Name: "bob"}
	assert.ErrorIs(t, w.WriteViewer(t.Context(), gone, one, ""), ErrGone, "want ErrGone")
}
