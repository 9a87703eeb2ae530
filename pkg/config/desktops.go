package config

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Desktops is what holds for every desktop's pod.
type Desktops struct {
	// ProtectFromEviction keeps drains of nodes and autoscalers from ending a desktop in use.
	ProtectFromEviction bool `json:"protectFromEviction"`
	// NodeLossTolerationSeconds is how long a desktop stays on a node that is not ready or
	// unreachable before Kubernetes deletes its pod.
	NodeLossTolerationSeconds int64 `json:"nodeLossTolerationSeconds"`
	// PodSecurityContext is that of every desktop's pod; its template may say more.
	PodSecurityContext *corev1.PodSecurityContext `json:"podSecurityContext"`
}

// desktopGroup is the group of the user that Selkies' images run as; a home that belongs to
// it is writable for them (nvidia-egl-desktop, Dockerfile).
const desktopGroup = 1000

// desktopPodSecurity holds where the file says nothing.
func desktopPodSecurity() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		FSGroup:        new(int64(desktopGroup)),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func (d Desktops) validate() field.ErrorList {
	if d.NodeLossTolerationSeconds >= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("desktops", "nodeLossTolerationSeconds"), d.NodeLossTolerationSeconds,
		"must be 0, to leave a node at once, or more seconds; Kubernetes' own default is 300")}
}
