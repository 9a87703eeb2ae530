package workload

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// agentTokenEnv and agentPodEnv are where the agent finds its token, and its pod's name where that
// is not the host name.
const (
	agentTokenEnv = "VDI_AGENT_TOKEN"
	agentPodEnv   = "VDI_AGENT_POD"
)

// imagesSelkiesPort is SELKIES_PORT of docker-nvidia-egl-desktop and -glx-desktop (see env.go).
const imagesSelkiesPort = 8081

// agent is the container beside the desktop that announces the pod. It comes after
// the desktop's, which must not wait for its image.
func agent(cfg config.Config, t *v1alpha1.VDITemplate, s *v1alpha1.VDISession) corev1.Container {
	args := []string{
		fmt.Sprintf("--activators=%s.%s.svc:%d", cfg.Agent.Peers, cfg.Activator.Namespace, cfg.Activator.InternalPort),
		"--desktop-port=" + strconv.Itoa(int(desktopPort(t))),
	}
	if port := behindPort(t); port != 0 {
		args = append(args, "--behind-port="+strconv.Itoa(port))
	}
	return corev1.Container{
		Name:  v1alpha1.ContainerAgent,
		Image: cfg.Agent.Image,
		Args:  args,
		Env: []corev1.EnvVar{{Name: agentTokenEnv, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: TokenSecretName(s.Name)}, Key: AgentTokenKey,
			// Without it the agent has nothing to say, which must not keep the pod.
			Optional: new(true),
		}}}},
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		Resources:                *cfg.Agent.Resources.DeepCopy(),
		SecurityContext:          cfg.Agent.SecurityContext.DeepCopy(),
	}
}

// behindPort is where Selkies 1.6 listens behind the nginx of its images, which opens its own port
// up to half a second later; 0 is nowhere.
func behindPort(t *v1alpha1.VDITemplate) int {
	if p := t.Spec.Streaming.Protocol; p != v1alpha1.ProtocolSelkies1 && p != v1alpha1.ProtocolAuto && p != "" {
		return 0
	}
	port := imagesSelkiesPort
	for _, e := range t.Spec.Env {
		if e.Name != envSelkiesPort {
			continue
		}
		var err error
		if port, err = strconv.Atoi(e.Value); err != nil || port < 1 || port > math.MaxUint16 {
			return 0 // not known here, or wrong
		}
	}
	if port == int(desktopPort(t)) {
		return 0
	}
	return port
}

// settleAgent undoes what a podTemplate did to the agent, but for its resources. One
// that it removed stays away: a template may do without.
func settleAgent(containers []corev1.Container, cfg config.Config, t *v1alpha1.VDITemplate, s *v1alpha1.VDISession) []corev1.Container {
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == v1alpha1.ContainerAgent })
	switch {
	case i < 0:
		return containers
	case !cfg.Agent.Enabled:
		return slices.Delete(containers, i, i+1)
	}
	ours := agent(cfg, t, s)
	ours.Resources = containers[i].Resources
	containers[i] = ours
	return containers
}
