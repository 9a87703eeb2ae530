// Package trim takes out of an object what no program of this product reads, before a cache
// keeps it.
//
// What it leaves of an object is good for a patch of that, and not for an update.
package trim

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/pods"
)

// Object is a cache's transform: without who wrote which field and what kubectl apply wrote
// last, of a pod without what its containers are given, of a claim without its status.
func Object(in any) (any, error) {
	o, err := meta.Accessor(in)
	if err != nil {
		return in, nil //nolint:nilerr // Not an object, nothing to take out.
	}
	// What is trimmed already may be shared, and is not written to again
	// (kubernetes/kubernetes#124337).
	if o.GetManagedFields() != nil {
		o.SetManagedFields(nil)
	}
	switch o := in.(type) {
	case *v1alpha1.VDISession: // people's notes, which may be long
		if len(o.Annotations) > 0 {
			o.Annotations = nil
		}
	case *v1alpha1.VDITemplate: // what was written last says which nulls kubectl dropped
		return in, nil
	case *corev1.Pod:
		if o.Spec.RestartPolicy != "" { // the API server sets it
			o.Spec = ofDesktop(o.Spec)
		}
	case *corev1.PersistentVolumeClaim: // who holds it says its metadata
		if o.Spec.VolumeMode != nil { // the API server sets it
			o.Spec = corev1.PersistentVolumeClaimSpec{Resources: o.Spec.Resources, AccessModes: o.Spec.AccessModes, VolumeName: o.Spec.VolumeName}
			o.Status = corev1.PersistentVolumeClaimStatus{}
		}
	}
	if _, has := o.GetAnnotations()[corev1.LastAppliedConfigAnnotation]; has { //nolint:staticcheck // delete takes the map for writing all the same
		delete(o.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
	}
	return in, nil
}

// ofDesktop leaves of a pod's spec what says whether the desktop is reachable, which home it
// has, and what becomes of it when its node is lost.
func ofDesktop(full corev1.PodSpec) corev1.PodSpec {
	spec := corev1.PodSpec{NodeName: full.NodeName, ReadinessGates: full.ReadinessGates}
	for i := range full.Tolerations {
		if t := &full.Tolerations[i]; slices.ContainsFunc(pods.LostNodeTaints, func(taint string) bool { return pods.ToleratesNoExecute(t, taint) }) {
			spec.Tolerations = append(spec.Tolerations, *t)
		}
	}
	for i := range full.Containers {
		c := &full.Containers[i]
		spec.Containers = append(spec.Containers, corev1.Container{Name: c.Name, Image: c.Image, Ports: c.Ports, ReadinessProbe: c.ReadinessProbe})
	}
	for _, v := range full.Volumes {
		if v.PersistentVolumeClaim != nil {
			spec.Volumes = append(spec.Volumes, v)
		}
	}
	return spec
}
