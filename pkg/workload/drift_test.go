package workload

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/config"
)

func TestWhatOthersHaveChangedIsSeenAndWhatTheAPIServerAddsIsNot(t *testing.T) {
	shape, err := Build(config.Default(), template(), session(), 0)
	require.NoError(t, err)
	desired, _, err := plain(shape)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change  func(*corev1.PodSpec)
		drifted bool
	}{
		"nothing": {func(*corev1.PodSpec) {}, false},
		"defaults": {func(s *corev1.PodSpec) {
			s.DNSPolicy, s.Containers[0].ImagePullPolicy = corev1.DNSClusterFirst, corev1.PullAlways
		}, false},
		"another image":      {func(s *corev1.PodSpec) { s.Containers[0].Image = "theirs:1" }, true},
		"one more container": {func(s *corev1.PodSpec) { s.Containers = append(s.Containers, corev1.Container{Name: "theirs"}) }, true},
		"a variable less":    {func(s *corev1.PodSpec) { s.Containers[0].Env = s.Containers[0].Env[1:] }, true},
		"less protection":    {func(s *corev1.PodSpec) { s.Containers[0].SecurityContext = nil }, true},
	} {
		existing := desired.DeepCopy()
		c.change(&existing.Spec.Template.Spec)
		drifted, err := (&Deployment{}).deployments(nil).lacks(existing, desired)
		require.NoError(t, err)
		assert.Equal(t, c.drifted, drifted, name)
	}
	scaled := desired.DeepCopy()
	scaled.Spec.Replicas = new(int32(1))
	drifted, err := (&Deployment{}).deployments(nil).lacks(scaled, desired)
	require.NoError(t, err)
	assert.False(t, drifted, "its scale")
}
