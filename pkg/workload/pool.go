package workload

import (
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	// ClaimFile is where a desktop of a warm pool finds whose it is, once it is somebody's.
	ClaimFile = "/run/vdi/session"
	// envClaimFile names that file to the desktop, which has none where it starts for a session.
	envClaimFile = "VDI_CLAIM_FILE"
	volumeClaim  = "vdi-claim"
)

// claimVolumeSize is more than the file takes.
var claimVolumeSize = resource.MustParse("1Mi")

// PoolPod is the pod of a shape as it waits in a warm pool for any session of that shape. Its
// annotation v1alpha1.AnnotationShapeHash is the same for all of those. secret names the Secret
// with its tokens; the caller gives it a name and an owner.
func PoolPod(shape Shape, secret string) (*corev1.Pod, error) {
	template := shape.Pod.DeepCopy()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: shape.Namespace, Labels: template.Labels, Annotations: template.Annotations},
		Spec: template.Spec}
	delete(pod.Labels, v1alpha1.LabelUser)
	pod.Labels[v1alpha1.LabelSession] = ""
	// It may be evicted until somebody works there.
	for name := range protected {
		delete(pod.Annotations, name)
	}
	complete(&pod.Spec)
	awaitClaim(&pod.Spec)
	readTokens(&pod.Spec, TokenSecretName(shape.Name), "")
	if err := stamp(pod, shape); err != nil {
		return nil, err
	}
	readTokens(&pod.Spec, "", secret)
	return pod, nil
}

// readTokens has containers read another Secret of tokens.
func readTokens(pod *corev1.PodSpec, from, to string) {
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			for j := range containers[i].Env {
				v := containers[i].Env[j].ValueFrom
				if v == nil || v.SecretKeyRef == nil || v.SecretKeyRef.Name != from {
					continue
				}
				v.SecretKeyRef.Name = to
				v.SecretKeyRef.Optional = nil // the Secret comes after the pod
			}
		}
	}
}

// awaitClaim has the agent hand over to the desktop, as a file, whose it has become. Without an
// agent nobody does.
func awaitClaim(pod *corev1.PodSpec) {
	var agent, desktop *corev1.Container
	for i := range pod.Containers {
		switch c := &pod.Containers[i]; c.Name {
		case v1alpha1.ContainerAgent:
			agent = c
		case v1alpha1.ContainerDesktop:
			desktop = c
		}
	}
	if agent == nil || desktop == nil {
		return
	}
	at := path.Dir(ClaimFile)
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: volumeClaim, VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: new(claimVolumeSize.DeepCopy())}}})
	agent.Args = append(agent.Args, "--claim-file="+ClaimFile)
	agent.VolumeMounts = append(agent.VolumeMounts, corev1.VolumeMount{Name: volumeClaim, MountPath: at})
	desktop.VolumeMounts = append(desktop.VolumeMounts, corev1.VolumeMount{Name: volumeClaim, MountPath: at, ReadOnly: true})
	desktop.Env = append(desktop.Env, corev1.EnvVar{Name: envClaimFile, Value: ClaimFile})
}

// Waits says that a pod waits in a warm pool.
func Waits(pod *corev1.Pod) bool {
	session, is := pod.Labels[v1alpha1.LabelSession]
	return is && session == ""
}

// PoolProgress says what a pod of a warm pool that is not ready waits for.
func PoolProgress(pod *corev1.Pod) Progress { return podProgress(pod) }
