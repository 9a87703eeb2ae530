package trim

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func written(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "note": "kept"}}
}

func TestWhoWroteWhatIsNotKept(t *testing.T) {
	for _, o := range []client.Object{
		&appsv1.Deployment{ObjectMeta: written("ada")}, &corev1.Pod{ObjectMeta: written("ada")},
	} {
		out, err := Object(o)
		require.NoError(t, err)
		assert.Same(t, o, out)
		assert.Nil(t, o.GetManagedFields(), "%T", o)
		assert.Equal(t, map[string]string{"note": "kept"}, o.GetAnnotations(), "%T", o)
	}
}

func TestOfASessionNoNotesAreKept(t *testing.T) {
	o := &v1alpha1.VDISession{ObjectMeta: written("ada")}
	_, err := Object(o)
	require.NoError(t, err)
	assert.Empty(t, o.Annotations)
	assert.Nil(t, o.ManagedFields)
}

func TestOfATemplateWhatKubectlWroteLastIsKept(t *testing.T) {
	o := &v1alpha1.VDITemplate{ObjectMeta: written("egl")}
	_, err := Object(o)
	require.NoError(t, err)
	assert.Contains(t, o.Annotations, corev1.LastAppliedConfigAnnotation)
	assert.Nil(t, o.ManagedFields)
}

func TestOfAPodWhatItsContainersAreGivenIsNotKept(t *testing.T) {
	home := corev1.Volume{Name: "home", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "a"}}}
	desktop := corev1.Container{Name: "desktop", Image: "i", Ports: []corev1.ContainerPort{{ContainerPort: 8080}}, ReadinessProbe: &corev1.Probe{}}
	full := desktop
	full.Env, full.Command = []corev1.EnvVar{{Name: "A"}}, []string{"x"}
	lost := corev1.Toleration{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}
	gates := []corev1.PodReadinessGate{{ConditionType: "a.io/b"}}
	p := &corev1.Pod{ObjectMeta: written("ada"), Spec: corev1.PodSpec{NodeName: "n", ReadinessGates: gates, Tolerations: []corev1.Toleration{{Key: "gpu"}, lost}, RestartPolicy: corev1.RestartPolicyAlways, Containers: []corev1.Container{full},
		Volumes: []corev1.Volume{{Name: "shm"}, home}}, Status: corev1.PodStatus{PodIP: "10.0.0.1"}}
	_, err := Object(p)
	require.NoError(t, err)
	assert.Equal(t, corev1.PodSpec{NodeName: "n", ReadinessGates: gates, Tolerations: []corev1.Toleration{lost}, Containers: []corev1.Container{desktop}, Volumes: []corev1.Volume{home}}, p.Spec)
	assert.Equal(t, "10.0.0.1", p.Status.PodIP)
}

func TestOfAClaimItsSizeVolumeAndAccessModesAreKept(t *testing.T) {
	size := corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")}}
	once := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	mode := corev1.PersistentVolumeFilesystem
	c := &corev1.PersistentVolumeClaim{ObjectMeta: written("home"), Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "v", VolumeMode: &mode, AccessModes: once, Resources: size},
		Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}}
	_, err := Object(c)
	require.NoError(t, err)
	assert.Equal(t, corev1.PersistentVolumeClaimSpec{Resources: size, VolumeName: "v", AccessModes: once}, c.Spec)
	assert.Empty(t, c.Status)
	assert.Equal(t, "kept", c.Annotations["note"])
}

func TestWhatIsNoObjectPasses(t *testing.T) {
	out, err := Object("x")
	require.NoError(t, err)
	assert.Equal(t, "x", out)
}

func TestOfWhatWaitsWhatItAsksForIsKept(t *testing.T) {
	class := "fast"
	c := &corev1.PersistentVolumeClaim{ObjectMeta: written("home"), Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: &class,
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}}
	_, err := Object(c)
	require.NoError(t, err)
	assert.Equal(t, &class, c.Spec.StorageClassName)
	assert.Equal(t, corev1.ClaimPending, c.Status.Phase)

	asks := corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")}}
	node := corev1.PodSpec{NodeSelector: map[string]string{"gpu": "big"}, Tolerations: []corev1.Toleration{{Key: "gpu"}},
		Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{}}}}
	p := &corev1.Pod{Spec: *node.DeepCopy()}
	p.Spec.RestartPolicy, p.Spec.Containers = corev1.RestartPolicyAlways, []corev1.Container{{Name: "desktop", Resources: asks}}
	p.Spec.Affinity.PodAffinity = &corev1.PodAffinity{}
	_, err = Object(p)
	require.NoError(t, err)
	assert.Equal(t, asks, p.Spec.Containers[0].Resources)
	p.Spec.Containers = nil
	assert.Equal(t, node, p.Spec)
}
