package desktops

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/pods"
)

// Seen is called with each pod of a session on this node, as it is now.
func (ds *Desktops) Seen(p *corev1.Pod) {
	d := ds.make(p.UID)
	if ends(p) {
		d.lockToThaw()
	} else {
		d.mu.Lock()
	}
	defer d.mu.Unlock()
	first := d.pod.Name == ""
	d.pod = types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
	d.session = types.NamespacedName{Namespace: p.Namespace, Name: p.Labels[v1alpha1.LabelSession]}
	d.container, d.ends = running(p), ends(p)
	switch {
	case d.ends:
		ds.letEnd(d)
	case d.frozen != nil && d.container != "" && d.frozen.ID != d.container:
		// It ended, as a process that the kernel kills for its memory does, and another runs.
		ds.thawOwn(d, metrics.ThawNotDozing, "the desktop's container is another one")
	case first:
		ds.background(ds.look(d))
	}
}

// Gone is called when a pod is no more, or not on this node.
func (ds *Desktops) Gone(pod types.UID) {
	d := ds.of(pod)
	if d == nil {
		return
	}
	d.lockToThaw()
	defer d.mu.Unlock()
	d.ends = true
	ds.letEnd(d)
	ds.mu.Lock()
	delete(ds.pods, pod)
	ds.mu.Unlock()
}

// letEnd thaws a pod that ends: SIGTERM and version 1's SIGKILL are delivered to what runs.
func (ds *Desktops) letEnd(d *desktop) {
	d.looked = true
	if d.frozen != nil {
		ds.thawOwn(d, metrics.ThawPodEnds, "the pod ends")
		return
	}
	// What was frozen before the program's start was perhaps not found yet.
	_ = ds.run(ds.alive, d)
}

// ends says that the pod's containers get their signals, now or soon: it is deleted, has ended,
// or is evicted, which its phase or its condition DisruptionTarget says.
func ends(p *corev1.Pod) bool {
	return p.DeletionTimestamp != nil || pods.Ended(p) || slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
	})
}

// running is the id of the desktop's container; empty while it does not run.
func running(p *corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == v1alpha1.ContainerDesktop && c.State.Running != nil {
			_, id, _ := strings.Cut(c.ContainerID, "://")
			return id
		}
	}
	return ""
}
