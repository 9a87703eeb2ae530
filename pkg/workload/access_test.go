package workload

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

func TestAnImageIsToldOfItsTemplatesPolicyByTheVariablesThatItKnows(t *testing.T) {
	const (
		toDesktop, fromDesktop = v1alpha1.ClipboardToDesktop, v1alpha1.ClipboardFromDesktop
		one, two, lin          = v1alpha1.ProtocolSelkies1, v1alpha1.ProtocolSelkies2WebSockets, v1alpha1.ProtocolLinuxServer
	)
	all := v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardNone, Files: v1alpha1.FilesNone, Audio: new(false), Microphone: new(false)}
	for name, tc := range map[string]struct {
		protocol v1alpha1.StreamingProtocol
		policy   v1alpha1.AccessPolicy
		want     string
	}{
		"Selkies 1.6 to the desktop":   {one, v1alpha1.AccessPolicy{Clipboard: toDesktop}, "SELKIES_ENABLE_CLIPBOARD=in"},
		"Selkies 1.6 from the desktop": {one, v1alpha1.AccessPolicy{Clipboard: fromDesktop}, "SELKIES_ENABLE_CLIPBOARD=out"},
		"Selkies 1.6 knows no more":    {one, all, "SELKIES_ENABLE_CLIPBOARD=false"},
		"Selkies 2": {two, all, "SELKIES_ENABLE_CLIPBOARD=false SELKIES_FILE_TRANSFERS=none SELKIES_AUDIO_ENABLED=false|locked " +
			"SELKIES_MICROPHONE_ENABLED=false|locked"},
		"Selkies 2 by WebRTC":       {v1alpha1.ProtocolSelkies2WebRTC, v1alpha1.AccessPolicy{Files: v1alpha1.FilesUpload}, "SELKIES_FILE_TRANSFERS=upload"},
		"linuxserver.io's":          {lin, v1alpha1.AccessPolicy{Clipboard: toDesktop}, "SELKIES_ENABLE_CLIPBOARD=in SELKIES_CLIPBOARD_OUT_ENABLED=false|locked"},
		"linuxserver.io's download": {lin, v1alpha1.AccessPolicy{Files: v1alpha1.FilesDownload}, "SELKIES_FILE_TRANSFERS=download"},
		"whatever it is": {v1alpha1.ProtocolAuto, v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardNone}, "SELKIES_ENABLE_CLIPBOARD=false " +
			"SELKIES_CLIPBOARD_ENABLED=false|locked SELKIES_CLIPBOARD_IN_ENABLED=false|locked SELKIES_CLIPBOARD_OUT_ENABLED=false|locked"},
		"another web desktop":  {v1alpha1.ProtocolWebSocket, all, ""},
		"all that is allowed":  {two, v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardBoth, Files: v1alpha1.FilesBoth, Audio: new(true), Microphone: new(true)}, ""},
		"a watermark's policy": {two, v1alpha1.AccessPolicy{Watermark: "{user}"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl := template()
			tmpl.Spec.Streaming.Protocol, tmpl.Spec.Access = tc.protocol, &tc.policy
			var said []string
			for _, e := range desktop(t, build(t, tmpl, session())).Env {
				for _, part := range []string{"CLIPBOARD", "FILE_", "AUDIO", "MICROPHONE"} {
					if strings.Contains(e.Name, part) {
						said = append(said, e.Name+"="+e.Value)
					}
				}
			}
			assert.Equal(t, tc.want, strings.Join(said, " "))
		})
	}
}

func TestWhatContradictsThePolicyIsRefusedAndNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		env     corev1.EnvVar
		pod     string
		refuses string
	}{
		"more than the policy":      {env: corev1.EnvVar{Name: envClipboard, Value: "true"}, refuses: `SELKIES_ENABLE_CLIPBOARD of the desktop's env is "true", and spec.access.clipboard needs "in"`},
		"the other way":             {env: corev1.EnvVar{Name: envClipboard, Value: "out"}, refuses: `is "out"`},
		"a switch without its lock": {env: corev1.EnvVar{Name: envAudio, Value: "false"}, refuses: `spec.access.audio needs "false|locked"`},
		"a value from elsewhere": {env: corev1.EnvVar{Name: envClipboard, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
			refuses: "has a value from elsewhere"},
		"by the podTemplate":  {pod: `{"spec":{"containers":[{"name":"desktop","env":[{"name":"SELKIES_ENABLE_CLIPBOARD","value":"true"}]}]}}`, refuses: `is "true"`},
		"the same":            {env: corev1.EnvVar{Name: envClipboard, Value: "in"}},
		"less":                {env: corev1.EnvVar{Name: envClipboard, Value: "false"}},
		"another container's": {pod: `{"spec":{"containers":[{"name":"more","image":"x","env":[{"name":"SELKIES_ENABLE_CLIPBOARD","value":"true"}]}]}}`},
		"what is not asked":   {env: corev1.EnvVar{Name: envFiles, Value: "upload"}},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl := template()
			tmpl.Spec.Access = &v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardToDesktop, Audio: new(false)}
			if tc.env.Name != "" {
				tmpl.Spec.Env = []corev1.EnvVar{tc.env}
			}
			if tc.pod != "" {
				tmpl.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(tc.pod)}
			}
			_, err := Build(config.Default(), tmpl, session(), time.Minute)
			if tc.refuses == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.refuses)
			require.ErrorContains(t, err, `template "egl": `)
		})
	}
}

func TestAPolicyIsPartOfTheShapeAndOneThatAsksForNothingIsNot(t *testing.T) {
	hash := func(p *v1alpha1.AccessPolicy) string {
		tmpl := template()
		tmpl.Spec.Streaming.Protocol, tmpl.Spec.Access = v1alpha1.ProtocolWebSocket, p
		shape, err := Build(config.Default(), tmpl, session(), time.Minute)
		require.NoError(t, err)
		service, err := knativeService(shape)
		require.NoError(t, err)
		return service.Annotations[v1alpha1.AnnotationShapeHash]
	}
	none := hash(nil)
	assert.Equal(t, none, hash(&v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardBoth, Files: v1alpha1.FilesBoth, Audio: new(true), Microphone: new(true)}))
	assert.NotEqual(t, none, hash(&v1alpha1.AccessPolicy{Watermark: "{user}"}), "it comes with the next wake")
	assert.NotEqual(t, none, hash(&v1alpha1.AccessPolicy{Audio: new(false)}), "though its image knows no such variable")
}

func TestASessionSaysWhatOfItsPolicyNobodyEnforces(t *testing.T) {
	all := &v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardNone, Files: v1alpha1.FilesNone, Audio: new(false), Microphone: new(false)}
	clipboard := &v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardToDesktop}
	files := &v1alpha1.AccessPolicy{Files: v1alpha1.FilesUpload}
	for name, tc := range map[string]struct {
		policy   *v1alpha1.AccessPolicy
		protocol v1alpha1.StreamingProtocol
		is       bool
		reason   string
		says     string
	}{
		"all of it":               {all, v1alpha1.ProtocolLinuxServer, true, v1alpha1.ReasonEnforced, ""},
		"all in WebSockets mode":  {all, v1alpha1.ProtocolSelkies2WebSockets, true, v1alpha1.ReasonEnforced, ""},
		"WebRTC's clipboard":      {clipboard, v1alpha1.ProtocolSelkies2WebRTC, false, v1alpha1.ReasonImageAlone, "by the image alone, because WebRTC goes past the activator: clipboard."},
		"WebRTC's files, by HTTP": {files, v1alpha1.ProtocolSelkies2WebRTC, true, v1alpha1.ReasonEnforced, ""},
		"Selkies 1.6":             {all, v1alpha1.ProtocolSelkies1, false, v1alpha1.ReasonNotEnforced, "Not enforced with protocol Selkies1: audio. Enforced by the image alone"},
		"what Selkies 1.6 lacks":  {files, v1alpha1.ProtocolSelkies1, true, v1alpha1.ReasonEnforced, ""},
		"another web desktop":     {all, v1alpha1.ProtocolWebSocket, false, v1alpha1.ReasonNotEnforced, "clipboard, files, audio, microphone"},
		"nobody knows":            {clipboard, "", false, v1alpha1.ReasonProtocolUnknown, "spec.streaming.protocol"},
		"a watermark":             {&v1alpha1.AccessPolicy{Watermark: "x"}, "", true, v1alpha1.ReasonEnforced, "developer tools"},
	} {
		is, reason, says := Enforced(tc.policy, tc.protocol)
		assert.Equal(t, tc.is, is, name)
		assert.Equal(t, tc.reason, reason, name)
		assert.Contains(t, says, tc.says, name)
	}
}
