package workload

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// The variables by which an image keeps to its template's spec.access. Only what is forbidden is
// said: a template's env may always forbid more.
//
//   - Selkies 1.6.2, src/selkies_gstreamer/__main__.py:447: the clipboard, true, in, out or false.
//     It transfers no files and takes no microphone, and its sound cannot be switched off.
//   - Selkies 2, 3a0bc7a, src/selkies/settings.py:115-156: the same clipboard; file transfers, "none"
//     for none; sound and microphone, of which a client may switch on again what is not locked
//     (sanitize_client_setting), and the microphone even by talking (selkies.py:3264).
//   - linuxserver.io, selkies 348bc4f (branch lsio), settings.py:39-46: a switch of the clipboard and
//     one for each direction, and enable_clipboard in its WebRTC mode. file_transfers takes a list
//     without a known word, "none" too, for its default (:236-246), but docker-baseimage-selkies
//     69f4fc9, init-nginx:37, takes the downloads away where the word is missing.
const (
	envClipboard            = "SELKIES_ENABLE_CLIPBOARD"
	envLinuxServerClipboard = "SELKIES_CLIPBOARD_ENABLED"
	envLinuxServerIn        = "SELKIES_CLIPBOARD_IN_ENABLED"
	envLinuxServerOut       = "SELKIES_CLIPBOARD_OUT_ENABLED"
	envFiles                = "SELKIES_FILE_TRANSFERS"
	envAudio                = "SELKIES_AUDIO_ENABLED"
	envMicrophone           = "SELKIES_MICROPHONE_ENABLED"

	// off is a switch that no client turns on again.
	off = "false|locked"
	// noClipboard and noFiles are what forbids all of either.
	noClipboard = "false"
	noFiles     = "none"
)

// accessVariable is a variable that a policy asks for.
type accessVariable struct {
	name, value string
	// stricter are other values that forbid as much or more.
	stricter []string
	// field is where the template asks for it.
	field string
}

// accessOf is what a template's policy asks for; nil where it lets everything pass.
func accessOf(t *v1alpha1.VDITemplate) *v1alpha1.AccessPolicy {
	if !t.Spec.Access.Asks() {
		return nil
	}
	return t.Spec.Access.DeepCopy()
}

// accessVariables are those of a policy that desktops of the protocol know.
func accessVariables(p *v1alpha1.AccessPolicy, protocol v1alpha1.StreamingProtocol) (vs []accessVariable) {
	auto := protocol == v1alpha1.ProtocolAuto || protocol == ""
	linuxServer := auto || protocol == v1alpha1.ProtocolLinuxServer
	selkies2 := linuxServer || protocol == v1alpha1.ProtocolSelkies2WebRTC || protocol == v1alpha1.ProtocolSelkies2WebSockets
	if protocol == v1alpha1.ProtocolWebSocket {
		return nil
	}
	in, out := p.ClipboardIn(), p.ClipboardOut()
	add := func(when bool, v accessVariable) {
		if when {
			vs = append(vs, v)
		}
	}
	const clipboard, files = "spec.access.clipboard", "spec.access.files"
	add(in && !out, accessVariable{envClipboard, "in", []string{noClipboard}, clipboard})
	add(out && !in, accessVariable{envClipboard, "out", []string{noClipboard}, clipboard})
	add(!in && !out, accessVariable{envClipboard, noClipboard, nil, clipboard})
	add(linuxServer && !in && !out, accessVariable{envLinuxServerClipboard, off, []string{noClipboard}, clipboard})
	add(linuxServer && !in, accessVariable{envLinuxServerIn, off, []string{noClipboard}, clipboard})
	add(linuxServer && !out, accessVariable{envLinuxServerOut, off, []string{noClipboard}, clipboard})
	up, down := p.Uploads(), p.Downloads()
	add(selkies2 && up && !down, accessVariable{envFiles, "upload", []string{noFiles, ""}, files})
	add(selkies2 && down && !up, accessVariable{envFiles, "download", []string{noFiles, ""}, files})
	add(selkies2 && !up && !down, accessVariable{envFiles, noFiles, []string{""}, files})
	add(selkies2 && !p.Hears(), accessVariable{envAudio, off, nil, "spec.access.audio"})
	add(selkies2 && !p.Speaks(), accessVariable{envMicrophone, off, nil, "spec.access.microphone"})
	return vs
}

// keepsTo refuses a pod whose desktop is told to let more pass than its policy does, by the
// template's env or by its podTemplate.
func keepsTo(p *v1alpha1.AccessPolicy, t *v1alpha1.VDITemplate, containers []corev1.Container) error {
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == v1alpha1.ContainerDesktop })
	if i < 0 {
		return nil
	}
	for _, want := range accessVariables(p, t.Spec.Streaming.Protocol) {
		for _, e := range containers[i].Env {
			if e.Name != want.name || e.ValueFrom == nil && (e.Value == want.value || slices.Contains(want.stricter, e.Value)) {
				continue
			}
			value := fmt.Sprintf("is %q", e.Value)
			if e.ValueFrom != nil {
				value = "has a value from elsewhere"
			}
			return fmt.Errorf("%s of the desktop's env %s, and %s needs %q: take %s out of spec.env and spec.podTemplate, or change %s",
				e.Name, value, want.field, want.value, e.Name, want.field)
		}
	}
	return nil
}
