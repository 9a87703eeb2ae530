package workload

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

const (
	// TokenKey is the key of a desktop's TURN token in its Secret.
	TokenKey = "token"
	// AgentTokenKey is the key of its agent's token there.
	AgentTokenKey = "agent"

	volumeHome = "home"
	volumeShm  = "shm"

	// cpuRequestShare is the part of the CPU limit that is reserved: a desktop is
	// idle most of its time and fast when it isn't.
	cpuRequestShare = 4

	// readinessPeriodSeconds is how late a desktop's readiness is noticed, at most.
	readinessPeriodSeconds = 1

	// What holds where the API server's defaults were not applied.
	defaultGPUs         = int32(1)
	defaultMemory       = "4Gi"
	defaultCPU          = "2"
	defaultSharedMemory = "1Gi"
	defaultPort         = 8080
)

// TokenSecretName names the Secret that holds a desktop's TURN token and its agent's.
func TokenSecretName(session string) string { return session + "-turn" }

func podSpec(cfg config.Config, t *v1alpha1.VDITemplate, s *v1alpha1.VDISession) corev1.PodSpec {
	port := desktopPort(t)
	desktop := corev1.Container{
		Name:      v1alpha1.ContainerDesktop,
		Image:     t.Spec.Image,
		Ports:     []corev1.ContainerPort{{ContainerPort: port}},
		Env:       env(cfg.Activator, t, s),
		Resources: resources(t, s),
		// Without a period Knative's proxy tries fast for ten seconds and kubelet then
		// asks every ten: a desktop that needs longer would be found late.
		ReadinessProbe: &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}},
			PeriodSeconds: readinessPeriodSeconds,
		},
		SecurityContext: desktopSecurity(t.Spec.Security),
	}
	spec := corev1.PodSpec{
		ImagePullSecrets: t.Spec.ImagePullSecrets,
		// A desktop's user has a shell: nothing in the pod may speak to the cluster.
		AutomountServiceAccountToken: new(false),
		EnableServiceLinks:           new(false),
		SecurityContext:              cfg.Desktops.PodSecurityContext.DeepCopy(),
	}
	if size := ptr.Deref(t.Spec.SharedMemory, resource.MustParse(defaultSharedMemory)); !size.IsZero() {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: volumeShm, VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &size},
		}})
		desktop.VolumeMounts = append(desktop.VolumeMounts, corev1.VolumeMount{Name: volumeShm, MountPath: "/dev/shm"})
	}
	if HomeEnabled(t, s) {
		path := cmp.Or(t.Spec.Persistence.MountPath, defaultHomePath)
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: volumeHome, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: HomeName(s.Spec.User, s.Spec.Template)},
		}})
		desktop.VolumeMounts = append(desktop.VolumeMounts, corev1.VolumeMount{Name: volumeHome, MountPath: path})
	}
	spec.Containers = []corev1.Container{desktop}
	return spec
}

func desktopPort(t *v1alpha1.VDITemplate) int32 {
	return cmp.Or(t.Spec.Streaming.Port, defaultPort)
}

func resources(t *v1alpha1.VDITemplate, s *v1alpha1.VDISession) corev1.ResourceRequirements {
	gpuResource, gpus := GPUs(t, s)
	memory := ptr.Deref(t.Spec.Resources.DefaultMemory, resource.MustParse(defaultMemory))
	cpu := ptr.Deref(t.Spec.Resources.DefaultCPU, resource.MustParse(defaultCPU))
	if r := s.Spec.Resources; r != nil {
		memory, cpu = ptr.Deref(r.Memory, memory), ptr.Deref(r.CPU, cpu)
	}
	r := corev1.ResourceRequirements{
		Limits: corev1.ResourceList{corev1.ResourceMemory: memory, corev1.ResourceCPU: cpu},
		Requests: corev1.ResourceList{
			corev1.ResourceMemory: memory,
			corev1.ResourceCPU:    *resource.NewMilliQuantity(max(1, cpu.MilliValue()/cpuRequestShare), resource.DecimalSI),
		},
	}
	if gpus > 0 {
		r.Limits[corev1.ResourceName(gpuResource)] = *resource.NewQuantity(int64(gpus), resource.DecimalSI)
	}
	return r
}
