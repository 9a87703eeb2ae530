package workload

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// withheldFromRoot are the capabilities that a container runtime gives by default and
// that an image which starts as root is not left (containerd v2, pkg/oci/spec.go,
// defaultUnixCaps). Left are those by which it prepares its files and becomes another
// user: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID and SETUID. The list names what
// goes rather than what stays, since Knative refuses to add capabilities unless all of
// the cluster's users may.
var withheldFromRoot = []corev1.Capability{"AUDIT_WRITE", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETPCAP", "SYS_CHROOT"}

// desktopSecurity is what the desktop's container may.
func desktopSecurity(s v1alpha1.SecurityProfile) *corev1.SecurityContext {
	drop := []corev1.Capability{"ALL"}
	if s == v1alpha1.SecurityImageRoot {
		drop = withheldFromRoot
	}
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		Capabilities:             &corev1.Capabilities{Drop: drop},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}
