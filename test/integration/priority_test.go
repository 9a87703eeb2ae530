//go:build integration

package integration

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

// TestAWakeComesBeforeTheRestOfAnEdit looks at the order of events, not at the time they take.
func TestAWakeComesBeforeTheRestOfAnEdit(t *testing.T) {
	const sessions = 250
	in := install(t, cluster, api, "edited")
	in.run(false)
	require.NoError(t, api.Create(t.Context(), newTemplate("edited")))
	var s *v1alpha1.VDISession
	for i := range sessions {
		s = newSession("edited", fmt.Sprintf("desktop-%03d", i), "edited")
		s.Spec.User = s.Name + "@example.com"
		require.NoError(t, api.Create(t.Context(), s))
	}
	edited := func() (have, all int) {
		list := &appsv1.DeploymentList{}
		require.NoError(t, api.List(t.Context(), list, client.InNamespace("edited")))
		for i := range list.Items {
			if list.Items[i].Spec.Template.Spec.Containers[0].Image == "dev.local/desktop:2" {
				have++
			}
		}
		return have, len(list.Items)
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
	d := deploymentOf(t, api, s)

	merge(t, newTemplate("edited"), `{"spec":{"image":"dev.local/desktop:2"}}`)
	eventually.NoError(t, "the edit begins", func() error {
		if have, _ := edited(); have == 0 {
			return errors.New("nothing has changed")
		}
		return nil
	})
	visit(t, s)
	eventually.NoError(t, "the desktop scaled up", hasScale(t, d, 1))
	have, all := edited()
	assert.Less(t, have, all-1, "the wake waited for the edit of all others")
	eventually.NoError(t, "the edit ends", func() error {
		if have, _ := edited(); have < all-1 {
			return fmt.Errorf("%d of %d are changed", have, all)
		}
		return nil
	})
}
