package workload

import (
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// The variables that a desktop's container gets, by its protocol. An image's own default is
// left alone wherever it fits: the same name means different things to different images.
// The sources are the programs and the scripts around them:
//
//   - Selkies 1.6.2: selkies v1.6.2, src/selkies_gstreamer/__main__.py:303-475;
//     docker-nvidia-egl-desktop a27b66d and docker-nvidia-glx-desktop 74bacdd,
//     selkies-gstreamer-entrypoint.sh and supervisord.conf. There SELKIES_PORT is
//     Selkies' own port behind nginx, whose port NGINX_PORT is.
//   - Selkies 2: selkies 3a0bc7a, src/selkies/settings.py and addons/example.
//   - linuxserver.io: docker-baseimage-selkies 69f4fc9, init-nginx and
//     init-selkies-config; selkies 348bc4f (branch lsio), settings.py, where SELKIES_PORT
//     is the port behind nginx too. docker-baseimage-kasmvnc 0d37447 has the same
//     CUSTOM_PORT.
const (
	envBasicAuth    = "SELKIES_ENABLE_BASIC_AUTH"
	envTURN         = "SELKIES_TURN_REST_URI"
	envTURNUser     = "SELKIES_TURN_REST_USERNAME"
	envSelkiesPort  = "SELKIES_PORT"
	envNginxPort    = "NGINX_PORT"
	envCustomPort   = "CUSTOM_PORT"
	linuxServerPort = 3000
)

// variables are those that the desktops of a protocol get.
type variables struct {
	// noPassword switches off the password of Selkies' own, and turn names the TURN
	// service.
	noPassword, turn bool
	// port is the variable that moves the desktop's web server to another port than
	// ownPort; empty where there is none that fits.
	port    string
	ownPort int32
	// portToo are variables that move it, or what is behind it, in some image of the
	// protocol. A template that sets one of them knows better.
	portToo []string
}

func variablesOf(p v1alpha1.StreamingProtocol) variables {
	switch p {
	case v1alpha1.ProtocolSelkies1:
		return variables{noPassword: true, turn: true, port: envNginxPort, ownPort: defaultPort, portToo: []string{envSelkiesPort}}
	case v1alpha1.ProtocolSelkies2WebRTC:
		return variables{noPassword: true, turn: true, port: envSelkiesPort, ownPort: defaultPort}
	case v1alpha1.ProtocolSelkies2WebSockets:
		return variables{noPassword: true, port: envSelkiesPort, ownPort: defaultPort}
	case v1alpha1.ProtocolLinuxServer:
		return variables{port: envCustomPort, ownPort: linuxServerPort}
	case v1alpha1.ProtocolWebSocket:
		return variables{}
	}
	// Auto: any of them.
	return variables{noPassword: true, turn: true}
}

// env is what the desktop needs to know, then the template's own, which wins where
// both name a variable. What contradicts its access policy is refused later; see keepsTo.
func env(activator config.Activator, t *v1alpha1.VDITemplate, s *v1alpha1.VDISession) []corev1.EnvVar {
	var ours []corev1.EnvVar
	v := variablesOf(t.Spec.Streaming.Protocol)
	set := func(name string) bool {
		return slices.ContainsFunc(t.Spec.Env, func(e corev1.EnvVar) bool { return e.Name == name })
	}
	if v.noPassword {
		// The activator checks who comes; a second password would only be in the way.
		ours = append(ours, corev1.EnvVar{Name: envBasicAuth, Value: "false"})
	}
	if port := desktopPort(t); v.port != "" && port != v.ownPort && !slices.ContainsFunc(v.portToo, set) {
		ours = append(ours, corev1.EnvVar{Name: v.port, Value: strconv.Itoa(int(port))})
	}
	if v.turn {
		ours = append(ours,
			corev1.EnvVar{Name: envTURN, Value: fmt.Sprintf("http://%s.%s.svc:%d/turn", activator.Service, activator.Namespace,
				activator.InternalPort)},
			corev1.EnvVar{Name: envTURNUser, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: TokenSecretName(s.Name)}, Key: TokenKey,
			}}})
	}
	for _, v := range accessVariables(accessOf(t), t.Spec.Streaming.Protocol) {
		ours = append(ours, corev1.EnvVar{Name: v.name, Value: v.value})
	}
	return append(slices.DeleteFunc(ours, func(e corev1.EnvVar) bool { return set(e.Name) }), t.Spec.Env...)
}
