package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// poolPod is the pod that a session would take from its template's warm pool.
func poolPod(t *testing.T, tmpl *v1alpha1.VDITemplate, s *v1alpha1.VDISession) *corev1.Pod {
	t.Helper()
	cfg := config.Default()
	cfg.Agent.Enabled, cfg.Agent.Image = true, "agent:1"
	shape, err := Build(cfg, tmpl, s, time.Minute)
	require.NoError(t, err)
	pod, err := PoolPod(shape, "vdi-pool-1")
	require.NoError(t, err)
	return pod
}

func homeless() *v1alpha1.VDITemplate {
	tmpl := template()
	tmpl.Spec.Persistence.Enabled = new(false)
	return tmpl
}

func TestNothingOfOneSessionIsInAPodThatWaits(t *testing.T) {
	s := session()
	other := session()
	other.Name, other.UID, other.Spec.User = "grace", "4-5-6", "grace@example.com"
	other.Spec.Resources = &v1alpha1.SessionResources{Memory: quantity("4Gi")} // what its template says
	pod := poolPod(t, homeless(), s)
	equal(t, "another session's", pod, poolPod(t, homeless(), other))
	equal(t, "labels", pod.Labels, map[string]string{v1alpha1.LabelSession: "", v1alpha1.LabelTemplate: "egl"})
	assert.True(t, Waits(pod))
	assert.Empty(t, pod.Spec.Hostname)
	assert.NotContains(t, pod.Annotations, "karpenter.sh/do-not-disrupt", "it may be evicted")
	desktop, agent := pod.Spec.Containers[0], pod.Spec.Containers[1]
	for _, c := range []corev1.Container{desktop, agent} {
		for _, v := range c.Env {
			if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
				assert.Equal(t, "vdi-pool-1", v.ValueFrom.SecretKeyRef.Name, v.Name)
				assert.Nil(t, v.ValueFrom.SecretKeyRef.Optional, "%s: the Secret comes after the pod", v.Name)
			}
		}
		assert.Contains(t, c.VolumeMounts, corev1.VolumeMount{Name: "vdi-claim", MountPath: "/run/vdi", ReadOnly: c.Name == v1alpha1.ContainerDesktop})
	}
	assert.Contains(t, agent.Args, "--claim-file=/run/vdi/session")
	equal(t, "where it is told", envOf(desktop, "VDI_CLAIM_FILE"), []map[string]string{{"name": "VDI_CLAIM_FILE", "value": "/run/vdi/session"}})
}

func TestASessionThatAsksForSomethingElseHasAnotherShapeThanWhatWaits(t *testing.T) {
	waits := poolPod(t, homeless(), session())
	for name, differs := range map[string]func(*v1alpha1.VDITemplate, *v1alpha1.VDISession){
		"memory": func(_ *v1alpha1.VDITemplate, s *v1alpha1.VDISession) {
			s.Spec.Resources = &v1alpha1.SessionResources{Memory: quantity("8Gi")}
		},
		"GPUs": func(_ *v1alpha1.VDITemplate, s *v1alpha1.VDISession) {
			s.Spec.Resources = &v1alpha1.SessionResources{GPU: new(int32(2))}
		},
		"a home": func(_ *v1alpha1.VDITemplate, s *v1alpha1.VDISession) {
			s.Spec.Persistence = &v1alpha1.SessionPersistence{Enabled: new(true)}
		},
		"image": func(t *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) { t.Spec.Image = "desktop:2" },
		"env": func(t *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) {
			t.Spec.Env = []corev1.EnvVar{{Name: "A", Value: "b"}}
		},
		"port": func(t *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) { t.Spec.Streaming.Port = 9999 },
		"a policy": func(t *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) {
			t.Spec.Access = &v1alpha1.AccessPolicy{Clipboard: "None"}
		},
	} {
		tmpl, s := homeless(), session()
		differs(tmpl, s)
		assert.NotEqual(t, waits.Annotations[v1alpha1.AnnotationShapeHash], poolPod(t, tmpl, s).Annotations[v1alpha1.AnnotationShapeHash], name)
	}
}
