//go:build integration

package integration

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/backup"
	"github.com/org/vdi-operator/pkg/eventually"
)

func TestWhatWasBackedUpComesBackWithItsHomes(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	require.NoError(t, patchSession(t, s, `{"spec":{"timeout":"2h","persistence":{"size":"3Gi"}}}`))
	woken(t, s)
	home := homeOf(s)
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(home), home))
	// A volume that outlives its claim, as with the reclaim policy Retain.
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + ns}, Spec: corev1.PersistentVolumeSpec{
		Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")}, AccessModes: home.Spec.AccessModes,
		PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
		PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/nowhere"}},
		ClaimRef:                      &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: ns, Name: home.Name, UID: home.UID},
	}}
	require.NoError(t, api.Create(t.Context(), volume))
	merge(t, home, `{"spec":{"volumeName":"`+volume.Name+`"}}`)

	b, err := backup.Collect(t.Context(), api, backup.Options{Namespace: ns})
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, b.Write(&file))

	require.NoError(t, api.Delete(t.Context(), s))
	eventually.NoError(t, "the session is gone", func() error {
		deployments := client.MatchingLabels{v1alpha1.LabelSession: s.Name}
		if err := api.DeleteAllOf(t.Context(), &appsv1.Deployment{}, client.InNamespace(ns), deployments); err != nil {
			return err
		}
		return absent(t, &v1alpha1.VDISession{ObjectMeta: s.ObjectMeta})
	})
	// What Kubernetes' garbage collector does.
	for _, o := range []client.Object{&corev1.Secret{}, &autoscalingv1alpha1.PodAutoscaler{}} {
		require.NoError(t, api.DeleteAllOf(t.Context(), o, client.InNamespace(ns), client.MatchingLabels{v1alpha1.LabelSession: s.Name}))
	}
	require.NoError(t, api.Delete(t.Context(), newTemplate(ns)))
	require.NoError(t, api.Delete(t.Context(), home))
	// kube-controller-manager would take the protection off, and the volume would be free.
	merge(t, home, `{"metadata":{"finalizers":null}}`)
	released := client.RawPatch(types.MergePatchType, []byte(`{"status":{"phase":"Released"}}`))
	require.NoError(t, api.Status().Patch(t.Context(), volume.DeepCopy(), released))

	objects, err := backup.Read(&file)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, (&backup.Restorer{Client: api, Out: &out}).Run(t.Context(), objects), "%s", &out)
	wantText(t, out.String(), "created    VDITemplate "+ns, "created    PersistentVolumeClaim "+ns+"/"+home.Name+" (with its volume "+volume.Name+")", "created    VDISession "+ns+"/ada", "Links made before")

	now := awaitPhase(t, s, v1alpha1.PhaseAsleep)
	require.NotEqual(t, s.UID, now.UID)
	require.NotNil(t, now.Spec.Timeout)
	assert.Nil(t, now.Status.Activity, "restored: %+v", now)
	awaitCondition(t, s, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeHeld)
	old := home.UID
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(home), home))
	require.NotEqual(t, old, home.UID)
	require.Equal(t, volume.Name, home.Spec.VolumeName)
	assert.Equal(t, "ada", home.Annotations[v1alpha1.AnnotationHeldBy], "the home: %+v %+v", home.ObjectMeta, home.Spec)
	assert.NotContains(t, home.Annotations, v1alpha1.AnnotationCreatedBy, "a restored home may go with a session")
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(volume), volume))
	assert.Empty(t, volume.Spec.ClaimRef.UID, "the volume waits for the claim that was deleted: %+v", volume.Spec.ClaimRef)
}

func TestARestoreSaysWhatTheAPIServerRefuses(t *testing.T) {
	ns := space(t)
	require.NoError(t, api.Create(t.Context(), newTemplate(ns)))
	text := strings.Join([]string{
		"apiVersion: vdi.kasm.io/v1alpha1\nkind: VDISession\nmetadata: {name: Ada, namespace: " + ns + "}\nspec: {user: ada, template: " + ns + "}",
		"apiVersion: vdi.kasm.io/v1alpha1\nkind: VDISession\nmetadata: {name: bob, namespace: nowhere-" + ns + "}\nspec: {user: bob, template: " + ns + "}",
		"apiVersion: vdi.kasm.io/v1alpha1\nkind: VDISession\nmetadata: {name: eve, namespace: " + ns + "}\nspec: {user: eve, template: " + ns + "}",
	}, "\n---\n")
	objects, err := backup.Read(strings.NewReader(text))
	require.NoError(t, err)
	var out bytes.Buffer
	err = (&backup.Restorer{Client: api, Out: &out}).Run(t.Context(), objects)
	assert.ErrorContains(t, err, "2 of 3 objects were not restored")
	wantText(t, out.String(), "FAILED     VDISession "+ns+"/Ada: ", "FAILED     VDISession nowhere-"+ns+"/bob: namespace \"nowhere-"+ns+"\" does not exist", "--create-namespaces", "created    VDISession "+ns+"/eve")
	out.Reset()
	require.NoError(t, (&backup.Restorer{Client: api, Out: &out, CreateNamespaces: true}).Run(t.Context(), objects[1:]))
	wantText(t, out.String(), "created    VDISession nowhere-"+ns+"/bob (in a new namespace)", "skipped    VDISession "+ns+"/eve (it exists and differs")
}
