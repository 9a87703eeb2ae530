// Package trim takes out of an object what no program of this product reads, before a cache
// keeps it.
//
// What it leaves of an object is good for a patch of that, and not for an update.
package trim

import (
	"slices"
	"strings"

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
		if len(o.Spec.AccessModes) > 0 { // the API server asks for one
			trimClaim(o)
		}
	}
	if _, has := o.GetAnnotations()[corev1.LastAppliedConfigAnnotation]; has { //nolint:staticcheck // delete takes the map for writing all the same
		delete(o.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
	}
	return in, nil
}

// trimClaim leaves of a claim what it asks for and has, all of it as long as it waits for a volume.
func trimClaim(c *corev1.PersistentVolumeClaim) {
	asked := corev1.PersistentVolumeClaimSpec{Resources: c.Spec.Resources, AccessModes: c.Spec.AccessModes, VolumeName: c.Spec.VolumeName}
	waits := c.Status.Phase == corev1.ClaimPending && c.Spec.VolumeName == ""
	c.Status = corev1.PersistentVolumeClaimStatus{}
	if waits {
		asked.StorageClassName, asked.DataSource, asked.DataSourceRef = c.Spec.StorageClassName, c.Spec.DataSource, c.Spec.DataSourceRef
		c.Status.Phase = corev1.ClaimPending
	}
	c.Spec = asked
}

// extended are the requests of what only some nodes have, such as GPUs.
func extended(all corev1.ResourceList) (some corev1.ResourceList) {
	for name, quantity := range all {
		if strings.Contains(string(name), "/") {
			if some == nil {
				some = corev1.ResourceList{}
			}
			some[name] = quantity
		}
	}
	return some
}

// ofDesktop leaves of a pod's spec what says whether the desktop is reachable, which home it
// has, what becomes of it when its node is lost, and what it asks of a node: all of it as long
// as it has none, then the GPUs that it holds.
func ofDesktop(full corev1.PodSpec) corev1.PodSpec {
	spec := corev1.PodSpec{NodeName: full.NodeName, ReadinessGates: full.ReadinessGates}
	if full.NodeName == "" {
		spec.NodeSelector, spec.Tolerations = full.NodeSelector, full.Tolerations
		if a := full.Affinity; a != nil && a.NodeAffinity != nil {
			spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution}}
		}
	}
	for i := range full.Tolerations {
		t := &full.Tolerations[i]
		staysOnLost := func(taint string) bool { return pods.ToleratesNoExecute(t, taint) }
		if full.NodeName != "" && slices.ContainsFunc(pods.LostNodeTaints, staysOnLost) {
			spec.Tolerations = append(spec.Tolerations, *t)
		}
	}
	for i := range full.Containers {
		c := &full.Containers[i]
		kept := corev1.Container{Name: c.Name, Image: c.Image, Ports: c.Ports, ReadinessProbe: c.ReadinessProbe}
		kept.Resources.Requests = c.Resources.Requests
		if full.NodeName != "" {
			kept.Resources.Requests = extended(c.Resources.Requests)
		}
		spec.Containers = append(spec.Containers, kept)
	}
	for _, v := range full.Volumes {
		if v.PersistentVolumeClaim != nil {
			spec.Volumes = append(spec.Volumes, v)
		}
	}
	return spec
}
