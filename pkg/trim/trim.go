// Package trim takes out of an object what no program of this product reads, before a cache
// keeps it.
//
// What it leaves of an object is good for a patch of that, and not for an update.
package trim

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Object is a cache's transform: without who wrote which field, without what kubectl apply
// wrote last, and of a pod without what its containers are given.
func Object(in any) (any, error) {
	o, err := meta.Accessor(in)
	if err != nil {
		return in, nil //nolint:nilerr // Not an object, nothing to take out.
	}
	// One that has none must not be written to: it may be shared (kubernetes/kubernetes#124337).
	if o.GetManagedFields() != nil {
		o.SetManagedFields(nil)
	}
	switch o := in.(type) {
	case *v1alpha1.VDITemplate: // what was written last says which nulls kubectl dropped
		return in, nil
	case *corev1.Pod:
		pod(o)
	}
	delete(o.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
	return in, nil
}

// pod leaves what says which desktop it is, whether it is reachable, and which home it has.
func pod(p *corev1.Pod) {
	spec := corev1.PodSpec{NodeName: p.Spec.NodeName}
	for i := range p.Spec.Containers {
		c := &p.Spec.Containers[i]
		spec.Containers = append(spec.Containers, corev1.Container{Name: c.Name, Image: c.Image, Ports: c.Ports, ReadinessProbe: c.ReadinessProbe})
	}
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			spec.Volumes = append(spec.Volumes, v)
		}
	}
	p.Spec = spec
}
