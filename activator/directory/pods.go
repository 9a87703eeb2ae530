package directory

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

type podRecord struct {
	pod     Pod
	created time.Time
}

// SetPod records a session's pod that was added or changed. A pod that is being
// deleted or has ended is forgotten: nobody must be sent there.
func (d *Directory) SetPod(p *corev1.Pod) {
	key, ok := sessionOf(p)
	if !ok {
		return
	}
	if p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		d.DropPod(p)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entry(key)
	next := &podRecord{pod: summarise(p), created: p.CreationTimestamp.Time}
	if old := e.pods[p.UID]; old != nil && *old == *next {
		return
	}
	e.pods[p.UID] = next
	e.announce()
}

// DropPod forgets a pod.
func (d *Directory) DropPod(p *corev1.Pod) {
	key, ok := sessionOf(p)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[key]
	if e == nil || e.pods[p.UID] == nil {
		return
	}
	delete(e.pods, p.UID)
	e.announce()
	d.prune(key, e)
}

func (e *entry) newestPod() *Pod {
	var newest *podRecord
	for _, r := range e.pods {
		if newest == nil || r.created.After(newest.created) ||
			r.created.Equal(newest.created) && r.pod.Name > newest.pod.Name {
			newest = r
		}
	}
	if newest == nil {
		return nil
	}
	return &newest.pod
}

func sessionOf(p *corev1.Pod) (types.NamespacedName, bool) {
	name := p.Labels[v1alpha1.LabelSession]
	return types.NamespacedName{Namespace: p.Namespace, Name: name}, name != ""
}

func summarise(p *corev1.Pod) Pod {
	out := Pod{Name: p.Name, UID: p.UID, Scheduled: p.Spec.NodeName != "", IP: p.Status.PodIP}
	for i := range p.Spec.Containers {
		if c := &p.Spec.Containers[i]; c.Name == v1alpha1.ContainerDesktop {
			out.Image = c.Image
			if len(c.Ports) > 0 {
				out.Port = c.Ports[0].ContainerPort
			}
		}
	}
	for i := range p.Status.ContainerStatuses {
		if s := &p.Status.ContainerStatuses[i]; s.Name == v1alpha1.ContainerDesktop {
			out.Started, out.ImageID = s.State.Running != nil, s.ImageID
		}
	}
	return out
}
