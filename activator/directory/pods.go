package directory

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// record is a pod as the API shows it, and what it said of itself.
type record struct {
	pod  *corev1.Pod
	said *Announcement
}

// SetPod records a session's pod that was added or changed. A pod that is being
// deleted or has ended is dropped: nobody must be sent there. The pod is shared
// with the informer.
func (d *Directory) SetPod(p *corev1.Pod) {
	if p.DeletionTimestamp != nil || pods.Ended(p) {
		d.DropPod(p)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.pool.set(p) // after all that is known of it
	key, ok := sessionOf(p)
	if !ok {
		return
	}
	e := d.entry(key)
	r := e.pods[p.UID]
	if r == nil {
		r = &record{said: e.takeEarly(p.Name)}
		e.pods[p.UID] = r
	}
	r.pod = p
	e.refresh()
}

// DropPod forgets a pod.
func (d *Directory) DropPod(p *corev1.Pod) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.pool.owners, p.UID)
	key, ok := sessionOf(p)
	if !ok {
		return
	}
	e := d.entries[key]
	if e == nil {
		return
	}
	delete(e.pods, p.UID)
	e.takeEarly(p.Name)
	e.refresh()
	d.prune(key, e)
}

// refresh finds the newest pod, and notifies when it shows something new; the caller
// holds the lock.
func (e *entry) refresh() {
	newest := pods.Newest(func(yield func(*corev1.Pod) bool) {
		for _, r := range e.pods {
			if !yield(r.pod) {
				return
			}
		}
	})
	var next *Pod
	if newest != nil {
		shown := summarise(e.pods[newest.UID])
		next = &shown
	}
	if (next == nil) != (e.newest == nil) || next != nil && *next != *e.newest {
		e.newest = next
		e.notify()
	}
}

func sessionOf(p *corev1.Pod) (types.NamespacedName, bool) {
	name := p.Labels[v1alpha1.LabelSession]
	return types.NamespacedName{Namespace: p.Namespace, Name: name}, name != ""
}

func summarise(r *record) Pod {
	p := r.pod
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
			if r := s.State.Running; r != nil {
				out.StartedAt = r.StartedAt.Time
			}
		}
	}
	if r.said != nil && agrees(p, r.said.Address) {
		out.Announced, out.Listening = true, r.said.Listening
		out.AgentPort, out.StandsIn = r.said.AgentPort, r.said.StandsIn
		out.Scheduled = true
		if out.IP == "" {
			out.IP = r.said.Address.String()
		}
	}
	return out
}
