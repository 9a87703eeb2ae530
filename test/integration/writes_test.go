//go:build integration

package integration

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
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/workload"
)

// counted counts what is written by a client.
func counted(c client.WithWatch, writes *[]string) client.Client {
	note := func(verb string, o client.Object) { *writes = append(*writes, fmt.Sprintf("%s %T", verb, o)) }
	return interceptor.NewClient(c, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			note("create", o)
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			note("update", o)
			return c.Update(ctx, o, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			note("patch", o)
			return c.Patch(ctx, o, p, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			note("delete", o)
			return c.Delete(ctx, o, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			note("patch "+sub+" of", o)
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	})
}

func TestASessionsLifeTakesFewWrites(t *testing.T) {
	var writes []string
	reconcile := operatorByHand(t, func(r *session.Reconciler) {
		r.Client = counted(api, &writes)
		r.Workload = &workload.Deployment{Client: r.Client, API: api}
	})
	most := func(what string, n int) {
		t.Helper()
		assert.LessOrEqual(t, len(writes), n, "%s: %q", what, writes)
		writes = nil
	}
	s := inUnserved(t, "frugal", nil)
	reconcile(s)
	most("its creation", 4)
	reconcile(s)
	most("at rest", 0)
	visit(t, s)
	reconcile(s)
	pod := startPod(t, s)
	require.Equal(t, v1alpha1.PhaseRunning, reconcile(s).Status.Phase)
	most("its first wake, until it is reached", 4)
	report := fmt.Sprintf(`{"status":{"activity":{"lastConnectedTime":%q,"lastInputTime":%[1]q}}}`, time.Now().UTC().Format(metav1.RFC3339Micro))
	require.NoError(t, api.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(report))))
	reconcile(s)
	most("an activator's report", 0)
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	reconcile(s)
	require.NoError(t, api.Delete(t.Context(), pod))
	reconcile(s)
	most("its sleep", 3)
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	reconcile(s)
	startPod(t, s)
	require.Equal(t, v1alpha1.PhaseRunning, reconcile(s).Status.Phase)
	most("its next wake", 3)
	require.NoError(t, api.Delete(t.Context(), s))
	deployment := deploymentOf(t, api, s)
	reconcile(s)
	collect(t, deployment)
	of := client.MatchingLabels{v1alpha1.LabelSession: s.Name}
	require.NoError(t, api.DeleteAllOf(t.Context(), pod, client.InNamespace(s.Namespace), of))
	reconcile(s)
	most("its end", 6)
}
