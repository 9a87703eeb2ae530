package node

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/claims"
	"github.com/org/vdi-operator/pkg/node/desktops"
)

func TestASessionSaysWhichPodDozes(t *testing.T) {
	session := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada"}}
	session.Status.Doze = &v1alpha1.SessionDoze{PodUID: "p-1"}
	awake := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bob"}}
	held := func(by string) *coordinationv1.Lease {
		return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: claims.Name},
			Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To(by)}}
	}
	scheme := runtime.NewScheme()
	require.NoError(t, errors.Join(coordinationv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	away := errors.New("away")
	failing := func(kind string, err error) interceptor.Funcs {
		return interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, lease := o.(*coordinationv1.Lease); lease == (kind == "lease") {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		}}
	}
	for name, c := range map[string]struct {
		session string
		pod     types.UID
		with    []client.Object
		fails   interceptor.Funcs
		want    desktops.Says
		err     error
	}{
		"this pod":                  {session: "ada", pod: "p-1", want: desktops.Dozes},
		"another pod":               {session: "ada", pod: "p-2", want: desktops.Runs},
		"one that is awake":         {session: "bob", pod: "p-1", want: desktops.Runs},
		"none yet, in a warm pool":  {pod: "p-1", want: desktops.Dozes},
		"a pool's of others":        {pod: "p-1", with: []client.Object{held("vdi-b/vdi")}, want: desktops.NotOurs},
		"one that is gone":          {session: "eve", pod: "p-1", want: desktops.Runs},
		"ours":                      {session: "ada", pod: "p-1", with: []client.Object{held("vdi-system/vdi")}, want: desktops.Dozes},
		"another installation's":    {session: "ada", pod: "p-1", with: []client.Object{held("vdi-b/vdi")}, want: desktops.NotOurs},
		"no right to Leases":        {session: "ada", pod: "p-1", fails: failing("lease", apierrors.NewForbidden(coordinationv1.Resource("leases"), "", nil)), want: desktops.Dozes},
		"the API server is away":    {session: "ada", pod: "p-1", fails: failing("lease", away), err: away},
		"it went between the reads": {session: "ada", pod: "p-1", fails: failing("session", away), err: away},
	} {
		t.Run(name, func(t *testing.T) {
			api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(session.DeepCopy(), awake.DeepCopy()).WithObjects(c.with...).
				WithInterceptorFuncs(c.fails).Build()
			says, err := Sessions{API: api, Installation: "vdi-system/vdi"}.Ask(t.Context(), types.NamespacedName{Namespace: "team", Name: c.session}, c.pod)
			require.ErrorIs(t, err, c.err)
			assert.Equal(t, c.want, says)
		})
	}
}
