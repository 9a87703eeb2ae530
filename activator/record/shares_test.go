package record

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestALinksUsesAreCountedUpToItsBound(t *testing.T) {
	s := &v1alpha1.VDISession{}
	s.Spec.Shares = []v1alpha1.Share{{Name: "a", Link: &v1alpha1.ShareLink{MaxUses: 2}}, {Name: "b", Link: &v1alpha1.ShareLink{}}, {Name: "c", User: "bob"}}
	s.Status.Activity = &v1alpha1.SessionActivity{Shares: []v1alpha1.ShareUse{{Name: "gone", Uses: 5}, {Name: "b", Uses: 9}}}
	for want := int32(1); want <= 2; want++ {
		next, err := used(s, "a", time.Now())
		require.NoError(t, err)
		require.Len(t, next, 2, "those of shares that are gone go too")
		assert.Equal(t, want, next[1].Uses)
		assert.Equal(t, int32(9), next[0].Uses, "another share's")
		s.Status.Activity.Shares = next
	}
	_, err := used(s, "a", time.Now())
	require.ErrorIs(t, err, ErrUsedUp)
	next, err := used(s, "b", time.Now())
	require.NoError(t, err)
	assert.Equal(t, int32(10), next[1].Uses, "0 is as often as people like")
	for _, name := range []string{"c", "x", "gone"} {
		_, err = used(s, name, time.Now())
		assert.ErrorIs(t, err, ErrNoShare, name)
	}
}
