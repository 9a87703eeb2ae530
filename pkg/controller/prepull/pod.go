package prepull

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/pods"
)

const (
	// volume is where the agent's program is for images that may have none.
	volume    = "program"
	mountPath = "/vdi-prepull"
	program   = mountPath + "/agent"
)

// podSpec keeps the images of a desktop's pod on a node. A container of each image runs, which
// is what kubelet deletes no image of; what it runs is the agent's program, since an image may
// have no program that waits, and its own would start a desktop.
func podSpec(cfg config.Config, desktop *corev1.PodSpec) corev1.PodSpec {
	mount := corev1.VolumeMount{Name: volume, MountPath: mountPath}
	copied := container(cfg, v1alpha1.ContainerAgent, cfg.Agent.Image)
	copied.Args, copied.VolumeMounts = []string{"copy", program}, []corev1.VolumeMount{mount}
	mount.ReadOnly = true
	spec := corev1.PodSpec{
		InitContainers: []corev1.Container{copied},
		Volumes:        []corev1.Volume{{Name: volume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},

		ServiceAccountName:            cfg.PrePull.ServiceAccount,
		AutomountServiceAccountToken:  new(false),
		EnableServiceLinks:            new(false),
		TerminationGracePeriodSeconds: new(int64(1)),
		PriorityClassName:             cfg.PrePull.PriorityClassName,
		ImagePullSecrets:              pullSecrets(desktop.ImagePullSecrets, cfg.PrePull.ImagePullSecrets),

		RuntimeClassName: desktop.RuntimeClassName,
		NodeSelector:     desktop.NodeSelector,
		Affinity:         affinity(desktop, cfg.PrePull.GPUNodeLabels),
		Tolerations:      tolerations(desktop.Tolerations),
	}
	for _, c := range images(desktop, cfg.Agent.Image) {
		kept := container(cfg, c.Name, c.Image)
		kept.ImagePullPolicy = c.ImagePullPolicy
		kept.Command, kept.VolumeMounts = []string{program, "wait"}, []corev1.VolumeMount{mount}
		// An image's own may be closed to this user.
		kept.WorkingDir = "/"
		// Images for GPUs name all, and NVIDIA's runtime gives those to a container that asks for none.
		kept.Env = []corev1.EnvVar{{Name: "NVIDIA_VISIBLE_DEVICES", Value: "void"}}
		spec.Containers = append(spec.Containers, kept)
	}
	return spec
}

// container runs the agent's program, with the agent's rights.
func container(cfg config.Config, name, image string) corev1.Container {
	return corev1.Container{Name: name, Image: image, TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		Resources: *cfg.PrePull.Resources.DeepCopy(), SecurityContext: cfg.Agent.SecurityContext.DeepCopy()}
}

// images are a pod's containers, one of each image but the agent's, which is pulled anyway.
func images(pod *corev1.PodSpec, agent string) (all []corev1.Container) {
	for _, c := range slices.Concat(pod.Containers, pod.InitContainers) {
		known := func(other corev1.Container) bool { return other.Image == c.Image }
		if c.Image != agent && !slices.ContainsFunc(all, known) {
			all = append(all, c)
		}
	}
	return all
}

func pullSecrets(lists ...[]corev1.LocalObjectReference) (all []corev1.LocalObjectReference) {
	for _, secret := range slices.Concat(lists...) {
		if !slices.Contains(all, secret) {
			all = append(all, secret)
		}
	}
	return all
}

// tolerations are a desktop's, but for how long it stays on a lost node: what a DaemonSet has
// there stays.
func tolerations(given []corev1.Toleration) (kept []corev1.Toleration) {
	for _, t := range given {
		if !slices.Contains(pods.LostNodeTaints, t.Key) {
			kept = append(kept, t)
		}
	}
	return kept
}

// affinity picks the nodes that a desktop requires, and of them those with GPUs where it asks
// for some. Where it stands to other pods is left out: its images are to be wherever it may run.
func affinity(desktop *corev1.PodSpec, gpuNodeLabels []string) *corev1.Affinity {
	var terms []corev1.NodeSelectorTerm
	if a := desktop.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		terms = a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	}
	if len(gpuNodeLabels) > 0 && asksForGPU(desktop) {
		terms = havingOneOf(terms, gpuNodeLabels)
	}
	if len(terms) == 0 {
		return nil
	}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms}}}
}

// asksForGPU is whether a container asks for an extended resource, as GPUs are.
func asksForGPU(pod *corev1.PodSpec) bool {
	return slices.ContainsFunc(pod.Containers, func(c corev1.Container) bool {
		for name, n := range c.Resources.Limits {
			if strings.Contains(string(name), "/") && !n.IsZero() {
				return true
			}
		}
		return false
	})
}

// havingOneOf is every term together with every label: what nodes have of an extended resource no
// affinity can ask, and of terms one has to hold. NVIDIA's GPU operator says "false" of a node
// that has none any more.
func havingOneOf(terms []corev1.NodeSelectorTerm, keys []string) (all []corev1.NodeSelectorTerm) {
	if len(terms) == 0 {
		terms = []corev1.NodeSelectorTerm{{}}
	}
	for _, term := range terms {
		for _, key := range keys {
			with := *term.DeepCopy()
			with.MatchExpressions = append(with.MatchExpressions,
				corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpExists},
				corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"false"}})
			all = append(all, with)
		}
	}
	return all
}

// name is a DaemonSet's.
func name(i config.Installation, template string) string {
	return fmt.Sprintf("%s-prepull-%s", i.Name, template)
}
