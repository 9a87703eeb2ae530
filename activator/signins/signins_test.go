package signins

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func signInA() *v1alpha1.VDISignIn {
	return &v1alpha1.VDISignIn{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
}

func TestWhoAsksLearnsOfEachSignIn(t *testing.T) {
	s := New()
	var told []string
	s.Observe(func(name string) { told = append(told, name) })
	s.Set(signInA())
	assert.NotNil(t, s.Get("a"))
	s.Drop(signInA())
	assert.Nil(t, s.Get("a"))
	assert.Equal(t, []string{"a", "a"}, told)
}

func TestASignInIsAwaitedForAsLongAsOneLikes(t *testing.T) {
	s := New()
	go s.Set(signInA())
	assert.NotNil(t, s.Await(t.Context(), "a"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	assert.Nil(t, s.Await(ctx, "b"))
}

func TestWhatIsThePortalsIsNotKept(t *testing.T) {
	o := signInA()
	o.Spec.User = "alice@example.com"
	o.Status = v1alpha1.VDISignInStatus{ValidUntil: &metav1.Time{}, RefreshToken: []byte("r"), IDToken: []byte("i"), Handovers: []v1alpha1.Handover{{CodeHash: "h"}}}
	out, err := Trimmed(o)
	require.NoError(t, err)
	kept := out.(*v1alpha1.VDISignIn)
	assert.Equal(t, v1alpha1.VDISignInStatus{ValidUntil: &metav1.Time{}}, kept.Status)
	assert.Equal(t, "alice@example.com", kept.Spec.User)
}
