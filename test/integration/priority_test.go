//go:build integration

package integration

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

// TestAWakeComesBeforeTheRestOfAnEdit looks at the order of events, not at the time they take.
func TestAWakeComesBeforeTheRestOfAnEdit(t *testing.T) {
	const sessions = 200 // half of them are not looked at at once
	in := install(t, cluster, api, "edited")
	in.run(false)
	require.NoError(t, api.Create(t.Context(), newTemplate("edited")))
	var s *v1alpha1.VDISession
	for i := range sessions {
		s = newSession("edited", fmt.Sprintf("desktop-%03d", i), "edited")
		s.Spec.User = s.Name + "@example.com"
		require.NoError(t, api.Create(t.Context(), s))
	}
	// edited is how many sessions have the edit, and how many of those have got it since then.
	edited := func(since int64) (all, later int) {
		list := &v1alpha1.VDISessionList{}
		require.NoError(t, api.List(t.Context(), list, client.InNamespace("edited")))
		for i := range list.Items {
			if l := list.Items[i].Status.Lifecycle; l != nil && l.IdleTimeout.OrZero() == time.Hour {
				all++
				if version(t, &list.Items[i]) > since {
					later++
				}
			}
		}
		return all, later
	}
	eventually.NoError(t, "all asleep", func() error {
		list := &v1alpha1.VDISessionList{}
		require.NoError(t, api.List(t.Context(), list, client.InNamespace("edited")))
		for i := range list.Items {
			if list.Items[i].Status.Phase != v1alpha1.PhaseAsleep {
				return fmt.Errorf("%s is %s", list.Items[i].Name, list.Items[i].Status.Phase)
			}
		}
		return nil
	})

	// An edit that is written to every session: of an image nothing is.
	merge(t, newTemplate("edited"), `{"spec":{"lifecycle":{"idleTimeout":"1h"}}}`)
	eventually.NoError(t, "the edit begins", func() error {
		if all, _ := edited(0); all == 0 {
			return errors.New("nothing has changed")
		}
		return nil
	})
	visit(t, s)
	woken := version(t, deploymentOf(t, api, s))
	later := 0
	eventually.NoError(t, "the edit ends", func() error {
		all := 0
		if all, later = edited(woken); all < sessions-1 { // that one may have been woken first
			return fmt.Errorf("%d of %d are changed", all, sessions)
		}
		return nil
	})
	assert.Positive(t, later, "the wake waited for the edit of all others")
}

// version is when an object was last written, as a number that grows with each write.
func version(t *testing.T, o client.Object) int64 {
	t.Helper()
	v, err := strconv.ParseInt(o.GetResourceVersion(), 10, 64)
	require.NoError(t, err)
	return v
}
