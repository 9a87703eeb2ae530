package workload

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	homePrefix = "vdi-home-"
	// homeHashLength is the number of hexadecimal characters in a home's name.
	homeHashLength = 12
	// defaultHomePath and defaultHomeSize hold where the API server's defaults
	// were not applied.
	defaultHomePath = "/home/user"
	defaultHomeSize = "10Gi"
)

// HomeName names the volume claim of a user's home for a template. It belongs to
// the two of them and not to a session.
func HomeName(user, template string) string {
	return homePrefix + hash([]byte(user+"\x00"+template), homeHashLength)
}

// HomeEnabled is whether the session has a home: the session's word over the
// template's.
func HomeEnabled(t *v1alpha1.VDITemplate, s *v1alpha1.VDISession) bool {
	if p := s.Spec.Persistence; p != nil && p.Enabled != nil {
		return *p.Enabled
	}
	return ptr.Deref(t.Spec.Persistence.Enabled, true)
}

// ReclaimPolicy is what happens to the home when the session is deleted: Delete where
// the template says so and the session does not say otherwise. The template may be nil:
// it may have been deleted before its session.
func ReclaimPolicy(t *v1alpha1.VDITemplate, s *v1alpha1.VDISession) v1alpha1.ReclaimPolicy {
	if t == nil || asksFor(s) == v1alpha1.ReclaimRetain {
		return v1alpha1.ReclaimRetain
	}
	return cmp.Or(t.Spec.Persistence.ReclaimPolicy, v1alpha1.ReclaimRetain)
}

func asksFor(s *v1alpha1.VDISession) v1alpha1.ReclaimPolicy {
	if s.Spec.Persistence == nil {
		return ""
	}
	return s.Spec.Persistence.ReclaimPolicy
}

// GoesWith is whether the home was created for this very session, so that it may be
// deleted with it. Of a home without the annotation nobody knows whose files it holds.
func GoesWith(home *corev1.PersistentVolumeClaim, s *v1alpha1.VDISession) bool {
	return s.UID != "" && home.Annotations[v1alpha1.AnnotationCreatedBy] == string(s.UID)
}

// StaysThough says for people why the home stays when the session is deleted, though
// the session or its template says Delete; empty where nothing says so, or it goes.
func StaysThough(home *corev1.PersistentVolumeClaim, t *v1alpha1.VDITemplate, s *v1alpha1.VDISession) string {
	switch policy := ReclaimPolicy(t, s); {
	case policy == v1alpha1.ReclaimRetain && asksFor(s) == v1alpha1.ReclaimDelete:
		return fmt.Sprintf("spec.persistence.reclaimPolicy is Delete and template %q says Retain, so the home stays when this session is deleted. "+
			"Set spec.persistence.reclaimPolicy of the template to Delete, or remove it from the session.", s.Spec.Template)
	case policy == v1alpha1.ReclaimDelete && !GoesWith(home, s):
		return fmt.Sprintf("The reclaim policy is Delete, but the home was not created for this session alone, so it stays when this session is deleted. "+
			"Delete PersistentVolumeClaim %q if nobody needs it then.", home.Name)
	}
	return ""
}

// HomeClaim is the claim of a new home, held by the session. It has no owner: it
// outlives every session.
func HomeClaim(t *v1alpha1.VDITemplate, s *v1alpha1.VDISession) *corev1.PersistentVolumeClaim {
	size := ptr.Deref(t.Spec.Persistence.Size, resource.MustParse(defaultHomeSize))
	if p := s.Spec.Persistence; p != nil && p.Size != nil {
		size = *p.Size
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name:      HomeName(s.Spec.User, s.Spec.Template),
			Namespace: s.Namespace,
			Labels: map[string]string{
				v1alpha1.LabelUser:     UserHash(s.Spec.User),
				v1alpha1.LabelTemplate: s.Spec.Template,
			},
			Annotations: map[string]string{
				v1alpha1.AnnotationUser:      s.Spec.User,
				v1alpha1.AnnotationHeldBy:    s.Name,
				v1alpha1.AnnotationCreatedBy: string(s.UID),
			},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{cmp.Or(t.Spec.Persistence.AccessMode, corev1.ReadWriteOnce)},
			StorageClassName: t.Spec.Persistence.StorageClassName,
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: size},
			},
		},
	}
	if class := claim.Spec.StorageClassName; class != nil {
		claim.Annotations[v1alpha1.AnnotationStorageClass] = *class
	}
	return claim
}

// IsHome is whether a claim that has the name of the session's home is one.
func IsHome(claim *corev1.PersistentVolumeClaim, s *v1alpha1.VDISession) bool {
	return claim.Labels[v1alpha1.LabelUser] == UserHash(s.Spec.User)
}

// Unbound is whether a home has no volume and never had one, so that nothing is in it.
func Unbound(home *corev1.PersistentVolumeClaim) bool {
	return home.Status.Phase == corev1.ClaimPending && home.Spec.VolumeName == ""
}

// Outdated is whether a home without a volume asks for another StorageClass than its template
// does now, so that a claim made anew may get what this one waits for. One that is to be filled
// from somewhere is left alone: somebody else has made it.
func Outdated(home, wanted *corev1.PersistentVolumeClaim) bool {
	if !Unbound(home) || home.Spec.DataSource != nil || home.Spec.DataSourceRef != nil {
		return false
	}
	asked, named := home.Annotations[v1alpha1.AnnotationStorageClass]
	if wanted.Spec.StorageClassName == nil {
		return named // the cluster's default is asked for now
	}
	if !named {
		asked = ptr.Deref(home.Spec.StorageClassName, "")
	}
	return asked != *wanted.Spec.StorageClassName
}
