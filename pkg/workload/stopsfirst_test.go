package workload

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// scalable is a cluster whose deployments can be scaled, which the client for tests does not know.
func scalable(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	scales := func(ctx context.Context, c client.Client, _ string, o client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
		return c.Patch(ctx, o, patch)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: scales}).Build()
}

func TestADeploymentWithoutAPodStopsBeforeItChanges(t *testing.T) {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada", UID: "s"}}
	of := func(shape string, replicas int32, generation, seen int64) *appsv1.Deployment {
		return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada", UID: "d", Generation: generation,
			Annotations:     map[string]string{v1alpha1.AnnotationShapeHash: shape},
			OwnerReferences: []metav1.OwnerReference{{Kind: v1alpha1.KindSession, Name: "ada", UID: "s", Controller: new(true)}}},
			Spec: appsv1.DeploymentSpec{Replicas: &replicas}, Status: appsv1.DeploymentStatus{ObservedGeneration: seen}}
	}
	refused := func(d *appsv1.Deployment) *appsv1.Deployment {
		d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue}}
		return d
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada-1", Labels: map[string]string{v1alpha1.LabelSession: "ada"}}}
	for name, c := range map[string]struct {
		existing *appsv1.Deployment
		others   []client.Object
		live     bool
		stops    bool
		idle     bool
		replicas int32
	}{
		"it may get a pod of its shape":        {existing: of("a", 1, 1, 1), stops: true},
		"Kubernetes has not seen yet":          {existing: of("a", 0, 2, 1), stops: true},
		"Kubernetes has seen":                  {existing: of("a", 0, 2, 2), idle: true},
		"somebody waits, and it has been seen": {existing: of("a", 0, 2, 2), live: true, idle: true},
		"Kubernetes tries once more":           {existing: refused(of("a", 0, 2, 2)), stops: true},
		"Kubernetes knows nothing of it":       {existing: of("a", 0, 1, 0), idle: true},
		"there is a pod, which goes first":     {existing: of("a", 1, 1, 1), others: []client.Object{pod}, replicas: 1},
		"somebody is there":                    {existing: of("a", 1, 1, 1), live: true, replicas: 1},
		"it has the shape":                     {existing: of("b", 1, 1, 1), replicas: 1},
		"it has the shape, and is scaled now":  {existing: of("b", 1, 2, 1), replicas: 1},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := scalable(t, append(c.others, c.existing)...)
			d := &Deployment{Client: cluster, API: cluster}
			stops, idle, err := d.stopsFirst(t.Context(), s, of("b", 1, 0, 0), func(context.Context) (bool, error) { return c.live, nil })
			require.NoError(t, err)
			assert.Equal(t, c.stops, stops)
			assert.Equal(t, c.idle, idle)
			now := &appsv1.Deployment{}
			require.NoError(t, cluster.Get(t.Context(), client.ObjectKeyFromObject(c.existing), now))
			assert.Equal(t, c.replicas, Replicas(now))
		})
	}
}
