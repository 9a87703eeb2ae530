//go:build integration

package apiserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/test/helm"
)

// Nothing runs the hook's Job here, so it fails; what it had done by then, the test does. What
// docs/uninstall.md says of a Job that fails holds by Helm alone.
func TestAFailedUninstallIsTakenBackByARollbackToTheLastRevision(t *testing.T) {
	r := installed(t, systemNamespace)
	values := []string{"--set", "crds.enabled=false,selkies.enabled=false"}
	for _, command := range []string{"install", "upgrade"} {
		_, err := r.Helm(t.Context(), append([]string{command, r.Name, helm.Chart}, values...)...)
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		_, err := r.Helm(withoutEnd(t), "uninstall", r.Name, "--no-hooks")
		assert.NoError(t, err)
		of := []client.DeleteAllOfOption{client.InNamespace(systemNamespace), client.MatchingLabels{"app.kubernetes.io/component": "uninstall"}}
		for _, kind := range []client.Object{&batchv1.Job{}, &rbacv1.RoleBinding{}, &rbacv1.Role{}} {
			assert.NoError(t, admin.DeleteAllOf(withoutEnd(t), kind, of...))
		}
	})
	programs := []string{"vdi-operator", "vdi-activator"}
	var before []int32
	for _, name := range programs {
		d := program(t, name)
		before = append(before, *d.Spec.Replicas)
		require.NoError(t, admin.Patch(t.Context(), d, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":0}}`))))
	}
	_, err := r.Helm(t.Context(), "uninstall", r.Name, "--timeout", "2s")
	require.Error(t, err)

	_, err = r.Helm(t.Context(), append([]string{"upgrade", r.Name, helm.Chart}, values...)...)
	require.ErrorContains(t, err, "has no deployed releases")
	_, err = r.Helm(t.Context(), "rollback", r.Name, "2")
	require.NoError(t, err)
	for i, name := range programs {
		assert.Equal(t, before[i], *program(t, name).Spec.Replicas, name)
	}
	_, err = r.Helm(t.Context(), append([]string{"upgrade", r.Name, helm.Chart}, values...)...)
	assert.NoError(t, err, "and then everything is as usual")
}

func program(t *testing.T, name string) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{}
	require.NoError(t, admin.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: name}, d))
	return d
}
