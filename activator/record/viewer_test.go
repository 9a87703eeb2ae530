package record

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestAViewerIsRecordedByWhoSawTheSessionAsItIs(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: alice.Namespace, Name: alice.Name}}
	s.Status.Activity = &v1alpha1.SessionActivity{LastInputTime: &metav1.MicroTime{Time: noon}}
	writes := 0
	w := newWriter(t, s, &writes)
	now := func() *v1alpha1.VDISession {
		t.Helper()
		var got v1alpha1.VDISession
		if err := w.Client.Get(t.Context(), alice, &got); err != nil {
			t.Fatal(err)
		}
		return &got
	}
	one := &v1alpha1.SessionViewer{Page: "00112233445566778899aabbccddeeff", Since: metav1.MicroTime{Time: noon}, Replica: "a"}
	two := &v1alpha1.SessionViewer{Page: "ffeeddccbbaa99887766554433221100", Since: metav1.MicroTime{Time: noon.Add(time.Second)},
		Replica: "b"}
	seen := now().ResourceVersion
	if err := w.WriteViewer(t.Context(), alice, one, seen); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteViewer(t.Context(), alice, two, seen); !errors.Is(err, ErrChanged) {
		t.Errorf("the second of two claims got %v, want ErrChanged", err)
	}
	if got := now().Status.Activity; got.Viewer == nil || got.Viewer.Page != one.Page || got.Viewer.Replica != "a" ||
		!got.Viewer.Since.Time.Equal(noon) ||
		!got.LastInputTime.Time.Equal(noon) {
		t.Errorf("recorded %+v of %+v", got.Viewer, got)
	}
	// A person's wish asks for nothing.
	if err := w.WriteViewer(t.Context(), alice, two, ""); err != nil || now().Status.Activity.Viewer.Page != two.Page {
		t.Errorf("%v, recorded %+v", err, now().Status.Activity.Viewer)
	}
	// A free view says so, and keeps nothing of who had it.
	free := &v1alpha1.SessionViewer{Since: metav1.MicroTime{Time: noon.Add(time.Minute)}}
	if err := w.WriteViewer(t.Context(), alice, free, now().ResourceVersion); err != nil {
		t.Fatal(err)
	}
	if got := now().Status.Activity.Viewer; got == nil || got.Page != "" || got.Replica != "" {
		t.Errorf("recorded %+v", got)
	}
	// Other activity leaves it alone.
	err := w.WriteActivity(t.Context(), alice, Activity{Connected: noon.Add(time.Hour), Wake: noon.Add(time.Hour)})
	if err != nil || now().Status.Activity.Viewer == nil {
		t.Errorf("%v, recorded %+v", err, now().Status.Activity)
	}
	err = w.WriteViewer(t.Context(), alice, nil, now().ResourceVersion)
	if err != nil || now().Status.Activity.Viewer != nil || now().Status.Activity.LastConnectedTime == nil {
		t.Errorf("%v, recorded %+v", err, now().Status.Activity)
	}
	gone := types.NamespacedName{Namespace: alice.Namespace, Name: "bob"}
	if err := w.WriteViewer(t.Context(), gone, one, ""); !errors.Is(err, ErrGone) {
		t.Errorf("err = %v, want ErrGone", err)
	}
}
