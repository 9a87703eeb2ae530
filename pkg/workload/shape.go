package workload

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/pods"
)

// Shape is everything that a session's desktop needs, whatever runs it.
type Shape struct {
	Namespace string
	Name      string
	// Labels are on the workload and on its pod.
	Labels map[string]string
	// Pod is the pod's template. It mounts the home's claim and reads the TURN
	// token's Secret, which the session's controller makes.
	Pod corev1.PodTemplateSpec
	// Streaming is how the desktop is spoken to.
	Streaming *v1alpha1.StreamingSpec
	// Access is what may pass between it and people; nil where everything may.
	Access *v1alpha1.AccessPolicy
	// StartupTimeout is how long a start may take; 0 is without end.
	StartupTimeout time.Duration
	// Activator is the host, inside the cluster, that the session's in-cluster name
	// leads to.
	Activator string
}

func (s Shape) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: s.Name, Namespace: s.Namespace, Labels: maps.Clone(s.Labels)}
}

const (
	// progressMargin keeps a Deployment's own deadline behind our startup timeout,
	// which gives the clearer message.
	progressMargin = 10 * time.Minute
	// progressWithoutTimeout is that deadline where the startup timeout is off.
	progressWithoutTimeout = 24 * time.Hour
)

// progressDeadline is when Kubernetes gives a start up, rounded to seconds.
func (s Shape) progressDeadline() time.Duration {
	if s.StartupTimeout == 0 {
		return progressWithoutTimeout
	}
	return (s.StartupTimeout + progressMargin).Round(time.Second)
}

// Build makes the shape of a session's desktop. An error is the template's fault
// and names the field.
func Build(cfg config.Config, t *v1alpha1.VDITemplate, s *v1alpha1.VDISession, startupTimeout time.Duration) (Shape, error) {
	shape := Shape{
		Namespace:      s.Namespace,
		Name:           s.Name,
		Labels:         Labels(s),
		Streaming:      t.Spec.Streaming.DeepCopy(),
		Access:         accessOf(t),
		StartupTimeout: startupTimeout,
		Activator:      cfg.Activator.Host(),
	}
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Annotations: protection(cfg.Desktops)},
		Spec:       podSpec(cfg, t, s),
	}
	if cfg.Agent.Enabled {
		pod.Spec.Containers = append(pod.Spec.Containers, agent(cfg, t, s))
	}
	if t.Spec.PodTemplate != nil {
		err := withoutNulls(t, pod)
		if err != nil {
			return Shape{}, fmt.Errorf("template %q: spec.podTemplate.%w", t.Name, err)
		}
		if pod, err = merge(pod, t.Spec.PodTemplate.Raw); err != nil {
			return Shape{}, fmt.Errorf("template %q: spec.podTemplate: %w", t.Name, err)
		}
		pod.Spec.Containers = settleAgent(pod.Spec.Containers, cfg, t, s)
	}
	if err := keepsTo(shape.Access, t, pod.Spec.Containers); err != nil {
		return Shape{}, fmt.Errorf("template %q: %w", t.Name, err)
	}
	pod.Spec.Tolerations = tolerateNodeLoss(pod.Spec.Tolerations, cfg.Desktops)
	// Last, because the product finds the pod by them.
	pod.Labels = labels.Merge(pod.Labels, shape.Labels)
	shape.Pod = pod
	return shape, nil
}

// protection are a pod's annotations that keep autoscalers of nodes from planning to evict it:
// cluster-autoscaler's (its FAQ, "What types of pods can prevent CA from removing a node?")
// and Karpenter's (its page "Disruption", "Pod-Level Controls"). The eviction itself a
// PodDisruptionBudget refuses.
func protection(d config.Desktops) map[string]string {
	if !d.ProtectFromEviction {
		return nil
	}
	return maps.Clone(protected)
}

var protected = map[string]string{
	"cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
	"karpenter.sh/do-not-disrupt":                    "true",
}

// tolerateNodeLoss adds how long a desktop stays on a node that is lost, where its template
// says nothing of that, as Kubernetes would with a time of its own.
func tolerateNodeLoss(given []corev1.Toleration, d config.Desktops) []corev1.Toleration {
	all, seconds := slices.Clone(given), d.NodeLossTolerationSeconds
	for _, taint := range pods.LostNodeTaints {
		if !slices.ContainsFunc(given, func(t corev1.Toleration) bool { return pods.ToleratesNoExecute(&t, taint) }) {
			all = append(all, corev1.Toleration{Key: taint, Operator: corev1.TolerationOpExists,
				Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds})
		}
	}
	return all
}

// Labels tie every object of a session together.
func Labels(s *v1alpha1.VDISession) map[string]string {
	return map[string]string{
		v1alpha1.LabelSession:  s.Name,
		v1alpha1.LabelTemplate: s.Spec.Template,
		v1alpha1.LabelUser:     UserHash(s.Spec.User),
	}
}
