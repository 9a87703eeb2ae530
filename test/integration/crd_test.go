//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

func raw(json string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(json)} }

// parse reads what a person would write; names are generated where there are none.
func parse(t *testing.T, namespace, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &u.Object))
	u.SetAPIVersion("vdi.kasm.io/v1alpha1")
	if u.GetKind() == "VDISession" {
		u.SetNamespace(namespace)
	}
	if u.GetName() == "" {
		u.SetGenerateName("x")
	}
	return u
}

const sessionKind = "kind: VDISession\n"
const templateKind = "kind: VDITemplate\n"

func TestTheAPIRefusesWhatCannotWorkAndSaysWhy(t *testing.T) {
	ns := space(t)
	for name, c := range map[string]struct {
		object string
		says   []string
	}{
		"a clipboard there is not":    {templateKind + "spec: {image: a, access: {clipboard: Out}}", []string{"spec.access.clipboard", "FromDesktop"}},
		"files there are not":         {templateKind + "spec: {image: a, access: {files: Sometimes}}", []string{"spec.access.files", "Download"}},
		"audio that is no switch":     {templateKind + "spec: {image: a, access: {audio: Disabled}}", []string{"spec.access.audio", "boolean"}},
		"a watermark of two lines":    {templateKind + "spec: {image: a, access: {watermark: \"a\\nb\"}}", []string{"spec.access.watermark must be one line"}},
		"a watermark of nothing":      {templateKind + "spec: {image: a, access: {watermark: ' '}}", []string{"something to see", "leave it out"}},
		"a session without a user":    {sessionKind + "spec: {template: a}", []string{"spec.user", "Required value"}},
		"a session without template":  {sessionKind + "spec: {user: a}", []string{"spec.template", "Required value"}},
		"an empty user":               {sessionKind + "spec: {user: '', template: a}", []string{"spec.user"}},
		"a user with a newline":       {sessionKind + "spec: {user: \"a\\nb\", template: a}", []string{"control characters"}},
		"a template that is no name":  {sessionKind + "spec: {user: a, template: A_B}", []string{"must be the name of a VDITemplate"}},
		"a timeout in plain numbers":  {sessionKind + "spec: {user: a, template: a, timeout: '90'}", []string{"must be a duration such as 90s"}},
		"a timeout in days":           {sessionKind + "spec: {user: a, template: a, timeout: 1d}", []string{"must be a duration such as 90s"}},
		"a negative timeout":          {sessionKind + "spec: {user: a, template: a, timeout: -5m}", []string{"must be a duration such as 90s"}},
		"a timeout of a second":       {sessionKind + "spec: {user: a, template: a, timeout: 1s}", []string{"must be 10s or longer"}},
		"a bad idle timeout":          {sessionKind + "spec: {user: a, template: a, lifecycle: {idleTimeout: soon}}", []string{"spec.lifecycle.idleTimeout", "must be a duration"}},
		"memory that is no quantity":  {sessionKind + "spec: {user: a, template: a, resources: {memory: much}}", []string{"spec.resources.memory", "must be"}},
		"no memory":                   {sessionKind + "spec: {user: a, template: a, resources: {memory: '0'}}", []string{"spec.resources.memory", "must be a quantity of 16Mi or more"}},
		"eight bytes of memory":       {sessionKind + "spec: {user: a, template: a, resources: {memory: 8}}", []string{"spec.resources.memory", "8", "without one it counts bytes"}},
		"eight bytes by default":      {templateKind + "spec: {image: a, resources: {defaultMemory: '8'}}", []string{"spec.resources.defaultMemory", "without one it counts bytes"}},
		"ten bytes of home":           {templateKind + "spec: {image: a, persistence: {size: 10}}", []string{"spec.persistence.size", "without one it counts bytes"}},
		"two bytes of shared memory":  {templateKind + "spec: {image: a, sharedMemory: 2}", []string{"spec.sharedMemory", "without one it counts bytes"}},
		"a user of blanks":            {sessionKind + "spec: {user: ' ', template: a}", []string{"spec.user must not be blank"}},
		"a user with a blank behind":  {sessionKind + "spec: {user: 'a ', template: a}", []string{"spec.user must not be blank", "such as ada@example.com"}},
		"a timeout of centuries":      {sessionKind + "spec: {user: a, template: a, timeout: 9999999h}", []string{"spec.timeout", "9999999h", "must be 8760h (a year) or shorter"}},
		"a clock of more than a year": {templateKind + "spec: {image: a, lifecycle: {idleTimeout: 8760h1s}}", []string{"spec.lifecycle.idleTimeout", "must be 8760h"}},
		"an image with a scheme":      {templateKind + "spec: {image: 'https://ghcr.io/a/b:1'}", []string{"spec.image", "https://ghcr.io/a/b:1", "without scheme and blanks", "such as ghcr.io"}},
		"an image in capitals":        {templateKind + "spec: {image: 'ghcr.io/Org/b:1'}", []string{"spec.image", "a container image reference"}},
		"less than no GPU":            {sessionKind + "spec: {user: a, template: a, resources: {gpu: -1}}", []string{"spec.resources.gpu"}},
		"a power there is not":        {sessionKind + "spec: {user: a, template: a, power: Sometimes}", []string{"spec.power", "OnDemand"}},
		"a name with --":              {sessionKind + "metadata: {name: a--b}\nspec: {user: a, template: a}", []string{"metadata.name must be at most 40"}},
		"a name of 41 characters":     {sessionKind + "metadata: {name: " + strings.Repeat("a", 41) + "}\nspec: {user: a, template: a}", []string{"metadata.name must be at most 40"}},
		"a name beginning with digit": {sessionKind + "metadata: {name: 1a}\nspec: {user: a, template: a}", []string{"beginning with a letter"}},
		"a name with capital letters": {sessionKind + "metadata: {name: Ada}\nspec: {user: a, template: a}", []string{"metadata.name", "lowercase"}},
		"a template without image":    {templateKind + "spec: {}", []string{"spec.image", "Required value"}},
		"an image with a blank":       {templateKind + "spec: {image: 'a b'}", []string{"without scheme and blanks"}},
		"a port of Knative's":         {templateKind + "spec: {image: a, streaming: {port: 8012}}", []string{"taken by Knative's sidecar"}},
		"linuxserver.io's HTTPS":      {templateKind + "spec: {image: a, streaming: {protocol: LinuxServer, port: 3001}}", []string{"spec.streaming", "port must not be 3001", "their plain HTTP is at 3000"}},
		"a security there is not":     {templateKind + "spec: {image: a, security: Privileged}", []string{"spec.security", "ImageRoot"}},
		"a protocol there is not":     {templateKind + "spec: {image: a, streaming: {protocol: VNC}}", []string{"spec.streaming.protocol", "Selkies2WebRTC"}},
		"an ICE policy there is not":  {templateKind + "spec: {image: a, streaming: {icePolicy: none}}", []string{"spec.streaming.icePolicy", "relay"}},
		"a subprotocol of two words":  {templateKind + "spec: {image: a, streaming: {subprotocols: [binary, 'a b']}}", []string{"spec.streaming.subprotocols[1]", "the name of a WebSocket subprotocol"}},
		"a subprotocol without name":  {templateKind + "spec: {image: a, streaming: {subprotocols: ['']}}", []string{"the name of a WebSocket subprotocol"}},
		"a list as a subprotocol":     {templateKind + "spec: {image: a, streaming: {subprotocols: ['a,b']}}", []string{"the name of a WebSocket subprotocol"}},
		"a line as a subprotocol":     {templateKind + "spec: {image: a, streaming: {subprotocols: [\"a\\nb\"]}}", []string{"the name of a WebSocket subprotocol"}},
		"a long subprotocol":          {templateKind + "spec: {image: a, streaming: {subprotocols: [" + strings.Repeat("a", 65) + "]}}", []string{"spec.streaming.subprotocols[0]", "64"}},
		"nine subprotocols":           {templateKind + "spec: {image: a, streaming: {subprotocols: [a, b, c, d, e, f, g, h, i]}}", []string{"spec.streaming.subprotocols", "8"}},
		"a relative mount path":       {templateKind + "spec: {image: a, persistence: {mountPath: home}}", []string{"must be an absolute path"}},
		"a GPU without a domain":      {templateKind + "spec: {image: a, gpuResourceName: gpu}", []string{"must be an extended resource name"}},
		"a home of no size":           {templateKind + "spec: {image: a, persistence: {size: '0'}}", []string{"must be a quantity of 1Mi or more"}},
		"a template name with a dot":  {templateKind + "metadata: {name: a.b}\nspec: {image: a}", []string{"metadata.name must be at most 63"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := api.Create(t.Context(), parse(t, ns, c.object))
			require.True(t, apierrors.IsInvalid(err), "want a refusal, have %v", err)
			wantText(t, err.Error(), c.says...)
			require.NotContains(t, err.Error(), "should match", "a pattern says nothing to people")
		})
	}
}

func TestTheAPITakesWhatPeopleWrite(t *testing.T) {
	ns := space(t)
	for name, object := range map[string]string{
		"the smallest session":      sessionKind + "spec: {user: ada@example.com, template: a}",
		"every field of a session":  sessionKind + "spec: {user: a, template: a, resources: {gpu: 0, memory: 8Gi, cpu: '4'}, persistence: {enabled: true, size: 50Gi}, timeout: 8h, lifecycle: {idleTimeout: 1h30m, disconnectTimeout: 0s}, power: AlwaysOn}",
		"a name of 40 characters":   sessionKind + "metadata: {name: " + strings.Repeat("a", 40) + "}\nspec: {user: a, template: a}",
		"the longest clock":         sessionKind + "spec: {user: a, template: a, timeout: 8760h}",
		"a user with a blank":       sessionKind + "spec: {user: 'Ada Lovelace', template: a}",
		"an image by its digest":    templateKind + "spec: {image: 'registry.example.com:5000/a/b_c__d-e.f:V1.0_x@sha256:" + strings.Repeat("0a", 32) + "'}",
		"an image at an address":    templateKind + "spec: {image: '[2001:db8::1]:5000/a:1'}",
		"no shared memory":          templateKind + "spec: {image: a, sharedMemory: 0}",
		"a clock switched off":      sessionKind + "spec: {user: a, template: a, timeout: 0s}",
		"quantities as numbers":     sessionKind + "spec: {user: a, template: a, resources: {cpu: 2, memory: 4294967296}}",
		"a list that says it twice": templateKind + "spec: {image: a, env: [{name: A, value: b}, {name: A, value: c}], imagePullSecrets: [{name: s}, {name: s}], applications: [{name: D}, {name: D}]}",
		"the smallest template":     templateKind + "spec: {image: 'ghcr.io/selkies-project/nvidia-egl-desktop:latest'}",
		"every field of a template": templateKind + "spec: {displayName: D, description: d, icon: 'https://example.com/i.png', image: a, imagePullSecrets: [{name: s}], env: [{name: A, value: b}], applications: [{name: Blender, icon: x}], resources: {defaultGPU: 1, defaultMemory: 8Gi, defaultCPU: '4'}, gpuResourceName: nvidia.com/mig-1g.5gb, streaming: {protocol: Selkies2WebRTC, port: 8080, icePolicy: relay, subprotocols: [binary, \"!#$%&'*+-.^_`|~09azAZ\"]}, persistence: {enabled: true, size: 10Gi, storageClassName: fast, mountPath: /home/user}, sharedMemory: 2Gi, security: ImageRoot, lifecycle: {idleTimeout: 30m, maxDuration: 8h, startupTimeout: 5m}, podTemplate: {spec: {nodeSelector: {gpu: 'yes'}}}}",
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, api.Create(t.Context(), parse(t, ns, object)))
		})
	}
}

func TestUserAndTemplateOfASessionCannotChange(t *testing.T) {
	ns := space(t)
	s := newSession(ns, "ada", "first")
	require.NoError(t, api.Create(t.Context(), s))
	wantText(t, patchSession(t, s, `{"spec":{"user":"bob"}}`).Error(), "spec.user cannot change")
	wantText(t, patchSession(t, s, `{"spec":{"template":"second"}}`).Error(), "spec.template cannot change")
}

// One such time would keep every reader of its type from listing any session.
func TestATimeThatProgramsCannotReadIsRefused(t *testing.T) {
	s := newSession(space(t), "timed", "none")
	require.NoError(t, api.Create(t.Context(), s))
	for _, field := range []string{"startTime", "readyTime", "sleepTime"} {
		set := func(value string) error {
			return api.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"status":{%q:%q}}`, field, value)))
		}
		err := set("2026-01-02T03:04:05Z")
		require.Error(t, err, "%s without microseconds was taken", field)
		wantText(t, err.Error(), "status."+field)
		require.NoError(t, set("2026-01-02T03:04:05.000006Z"))
	}
}
