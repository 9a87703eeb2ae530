package workload

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

func template() *v1alpha1.VDITemplate {
	return &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "egl"}, Spec: v1alpha1.VDITemplateSpec{Image: "desktop:1"}}
}

func session() *v1alpha1.VDISession {
	return &v1alpha1.VDISession{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada", UID: "1-2-3"},
		Spec:       v1alpha1.VDISessionSpec{User: "ada@example.com", Template: "egl"},
	}
}

func build(t *testing.T, tmpl *v1alpha1.VDITemplate, s *v1alpha1.VDISession) *servingv1.Service {
	t.Helper()
	shape, err := Build(config.Default(), tmpl, s, 10*time.Minute)
	require.NoError(t, err)
	service, err := knativeService(shape)
	require.NoError(t, err)
	return service
}

func desktop(t *testing.T, s *servingv1.Service) corev1.Container {
	t.Helper()
	for _, c := range s.Spec.Template.Spec.Containers {
		if c.Name == v1alpha1.ContainerDesktop {
			return c
		}
	}
	t.Fatal("no container for the desktop")
	return corev1.Container{}
}

func envOf(c corev1.Container, name string) []corev1.EnvVar {
	return slices.DeleteFunc(slices.Clone(c.Env), func(e corev1.EnvVar) bool { return e.Name != name })
}

func quantity(text string) *resource.Quantity { q := resource.MustParse(text); return &q }

// equal compares as JSON, so that a wanted object can be written as one.
func equal(t *testing.T, what string, have, want any) {
	t.Helper()
	h, err := json.Marshal(have)
	require.NoError(t, err)
	w, err := json.Marshal(want)
	require.NoError(t, err)
	assert.JSONEq(t, string(w), string(h), what)
}

func TestADesktopIsAKnativeServiceOfOurClasses(t *testing.T) {
	s := build(t, template(), session())
	user := UserHash("ada@example.com")
	equal(t, "labels", s.Labels, map[string]string{
		"networking.knative.dev/visibility": "cluster-local",
		v1alpha1.LabelSession:               "ada", v1alpha1.LabelTemplate: "egl", v1alpha1.LabelUser: user,
	})
	equal(t, "ingress class", s.Annotations["networking.knative.dev/ingress-class"], "activator.vdi.kasm.io")
	equal(t, "template's annotations", s.Spec.Template.Annotations, map[string]string{
		"autoscaling.knative.dev/class":                             "session.vdi.kasm.io",
		"autoscaling.knative.dev/initial-scale":                     "0",
		"autoscaling.knative.dev/max-scale":                         "1",
		"serving.knative.dev/progress-deadline":                     "20m0s",
		"queue.sidecar.serving.knative.dev/cpu-resource-request":    "25m",
		"queue.sidecar.serving.knative.dev/cpu-resource-limit":      "500m",
		"queue.sidecar.serving.knative.dev/memory-resource-request": "32Mi",
		"queue.sidecar.serving.knative.dev/memory-resource-limit":   "256Mi",
		"cluster-autoscaler.kubernetes.io/safe-to-evict":            "false",
		"karpenter.sh/do-not-disrupt":                               "true",
	})
	equal(t, "pod's labels", s.Spec.Template.Labels, map[string]string{
		v1alpha1.LabelSession: "ada", v1alpha1.LabelTemplate: "egl", v1alpha1.LabelUser: user,
	})
	equal(t, "timeout", s.Spec.Template.Spec.TimeoutSeconds, 60)
	equal(t, "concurrency", s.Spec.Template.Spec.ContainerConcurrency, 0)
}

func TestADesktopsPodMayDoLittleAndKnowsItsTURN(t *testing.T) {
	s := build(t, template(), session())
	spec, c := s.Spec.Template.Spec.PodSpec, desktop(t, s)
	equal(t, "service account token", spec.AutomountServiceAccountToken, false)
	equal(t, "service links", spec.EnableServiceLinks, false)
	equal(t, "pod's security", spec.SecurityContext, map[string]any{"fsGroup": 1000, "seccompProfile": map[string]any{"type": "RuntimeDefault"}})
	equal(t, "container's security", c.SecurityContext, map[string]any{
		"capabilities": map[string]any{"drop": []string{"ALL"}}, "allowPrivilegeEscalation": false, "seccompProfile": map[string]any{"type": "RuntimeDefault"},
	})
	equal(t, "limits", c.Resources.Limits, map[string]string{"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"})
	equal(t, "requests", c.Resources.Requests, map[string]string{"cpu": "500m", "memory": "4Gi"})
	equal(t, "port", c.Ports, []map[string]any{{"containerPort": 8080}})
	equal(t, "environment", c.Env, []map[string]any{
		{"name": "SELKIES_ENABLE_BASIC_AUTH", "value": "false"},
		{"name": "SELKIES_TURN_REST_URI", "value": "http://vdi-activator-internal.vdi-system.svc:8081/turn"},
		{"name": "SELKIES_TURN_REST_USERNAME", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "ada-turn", "key": "token"}}},
	})
	equal(t, "mounts", c.VolumeMounts, []map[string]any{{"name": "shm", "mountPath": "/dev/shm"}, {"name": "home", "mountPath": "/home/user"}})
	equal(t, "volumes", spec.Volumes, []map[string]any{
		{"name": "shm", "emptyDir": map[string]any{"medium": "Memory", "sizeLimit": "1Gi"}},
		{"name": "home", "persistentVolumeClaim": map[string]any{"claimName": HomeName("ada@example.com", "egl")}},
	})
	assert.Nil(t, c.Lifecycle, "Knative refuses lifecycle hooks")
}

func TestTheSessionsWordCountsOverTheTemplates(t *testing.T) {
	yes, no, none, two := true, false, int32(0), int32(2)
	for name, c := range map[string]struct {
		change func(*v1alpha1.VDITemplate, *v1alpha1.VDISession)
		check  func(*testing.T, corev1.PodSpec, corev1.Container)
	}{
		"no GPU is no resource": {func(_ *v1alpha1.VDITemplate, s *v1alpha1.VDISession) {
			s.Spec.Resources = &v1alpha1.SessionResources{GPU: &none, CPU: quantity("1"), Memory: quantity("2Gi")}
		}, func(t *testing.T, _ corev1.PodSpec, c corev1.Container) {
			equal(t, "limits", c.Resources.Limits, map[string]string{"cpu": "1", "memory": "2Gi"})
			equal(t, "requests", c.Resources.Requests, map[string]string{"cpu": "250m", "memory": "2Gi"})
		}},
		"a MIG slice": {func(tm *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) {
			tm.Spec.GPUResourceName, tm.Spec.Resources.DefaultGPU = "nvidia.com/mig-1g.5gb", &two
		}, func(t *testing.T, _ corev1.PodSpec, c corev1.Container) {
			equal(t, "slices", c.Resources.Limits["nvidia.com/mig-1g.5gb"], "2")
		}},
		"a template without home": {func(tm *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) {
			tm.Spec.Persistence.Enabled = &no
		}, func(t *testing.T, p corev1.PodSpec, _ corev1.Container) { equal(t, "volumes", len(p.Volumes), 1) }},
		"a session that wants one all the same": {func(tm *v1alpha1.VDITemplate, s *v1alpha1.VDISession) {
			tm.Spec.Persistence.Enabled, s.Spec.Persistence = &no, &v1alpha1.SessionPersistence{Enabled: &yes}
		}, func(t *testing.T, p corev1.PodSpec, _ corev1.Container) { equal(t, "volumes", len(p.Volumes), 2) }},
		"no shared memory": {func(tm *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) {
			tm.Spec.SharedMemory = quantity("0")
		}, func(t *testing.T, p corev1.PodSpec, _ corev1.Container) {
			equal(t, "first volume", p.Volumes[0].Name, "home")
		}},
		"a variable of ours in the template": {func(tm *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) {
			tm.Spec.Env = []corev1.EnvVar{{Name: "SELKIES_PORT", Value: "1"}, {Name: "TZ", Value: "UTC"}}
		}, func(t *testing.T, _ corev1.PodSpec, c corev1.Container) {
			equal(t, "port", envOf(c, "SELKIES_PORT"), []map[string]any{{"name": "SELKIES_PORT", "value": "1"}})
			equal(t, "last", c.Env[len(c.Env)-1].Name, "TZ")
		}},
		"a podTemplate": {func(tm *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) {
			tm.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"metadata":{"labels":{"a":"b","vdi.kasm.io/session":"eve"}},"spec":{"nodeSelector":{"gpu":"yes"},"runtimeClassName":"nvidia","securityContext":{"runAsNonRoot":true},"containers":[{"name":"desktop","env":[{"name":"X","value":"y"}]},{"name":"helper","image":"h"}]}}`)}
		}, func(t *testing.T, p corev1.PodSpec, c corev1.Container) {
			equal(t, "node selector", p.NodeSelector, map[string]string{"gpu": "yes"})
			equal(t, "runtime class", p.RuntimeClassName, "nvidia")
			equal(t, "security is merged", p.SecurityContext, map[string]any{"runAsNonRoot": true, "fsGroup": 1000, "seccompProfile": map[string]any{"type": "RuntimeDefault"}})
			equal(t, "containers", len(p.Containers), 2)
			equal(t, "its image stays", c.Image, "desktop:1")
			equal(t, "its variable", len(envOf(c, "X")), 1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tm, s := template(), session()
			c.change(tm, s)
			service := build(t, tm, s)
			c.check(t, service.Spec.Template.Spec.PodSpec, desktop(t, service))
			equal(t, "the session's label", service.Spec.Template.Labels[v1alpha1.LabelSession], "ada")
		})
	}
}

func TestADesktopsPodIsKeptFromAutoscalersUnlessSomebodySaysOtherwise(t *testing.T) {
	const safe, karpenter = "cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt"
	off := config.Default()
	off.Desktops.ProtectFromEviction = false
	for name, c := range map[string]struct {
		cfg         config.Config
		podTemplate string
		want        map[string]string
	}{
		"by default":               {config.Default(), `{}`, map[string]string{safe: "false", karpenter: "true"}},
		"but for the installation": {off, `{}`, nil},
		"but for a template": {config.Default(), `{"metadata":{"annotations":{"` + safe + `":"true","a":"b"}}}`,
			map[string]string{safe: "true", karpenter: "true", "a": "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			tm := template()
			tm.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(c.podTemplate)}
			shape, err := Build(c.cfg, tm, session(), 0)
			require.NoError(t, err)
			assert.Equal(t, c.want, shape.Pod.Annotations)
		})
	}
}

func TestADesktopLeavesALostNodeUnlessItsTemplateSaysOtherwise(t *testing.T) {
	const notReady, unreachable = corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable
	for name, c := range map[string]struct {
		podTemplate string
		want        map[string]int64 // seconds by key
	}{
		"by default":       {`{}`, map[string]int64{notReady: 60, unreachable: 60}},
		"beside another":   {`{"spec":{"tolerations":[{"key":"gpu","operator":"Exists"}]}}`, map[string]int64{"gpu": -1, notReady: 60, unreachable: 60}},
		"but for one":      {`{"spec":{"tolerations":[{"key":"` + unreachable + `","operator":"Exists","effect":"NoExecute","tolerationSeconds":9}]}}`, map[string]int64{notReady: 60, unreachable: 9}},
		"but for all":      {`{"spec":{"tolerations":[{"operator":"Exists"}]}}`, map[string]int64{"": -1}},
		"but not by other": {`{"spec":{"tolerations":[{"operator":"Exists","effect":"NoSchedule"}]}}`, map[string]int64{"": -1, notReady: 60, unreachable: 60}},
	} {
		t.Run(name, func(t *testing.T) {
			tm := template()
			tm.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(c.podTemplate)}
			shape, err := Build(config.Default(), tm, session(), 0)
			require.NoError(t, err)
			got := map[string]int64{}
			for _, toleration := range shape.Pod.Spec.Tolerations {
				got[toleration.Key] = ptr.Deref(toleration.TolerationSeconds, -1)
			}
			assert.Equal(t, c.want, got)
		})
	}
}

func withAgent() config.Config {
	cfg := config.Default()
	cfg.Agent.Enabled, cfg.Agent.Image = true, "agent:1"
	return cfg
}

func containers(t *testing.T, cfg config.Config, podTemplate string) []corev1.Container {
	t.Helper()
	tm := template()
	if podTemplate != "" {
		tm.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(podTemplate)}
	}
	shape, err := Build(cfg, tm, session(), 0)
	require.NoError(t, err)
	return shape.Pod.Spec.Containers
}

func TestAnAgentStandsBesideTheDesktopAndMayDoNothing(t *testing.T) {
	c := containers(t, withAgent(), "")
	require.Len(t, c, 2)
	require.Equal(t, v1alpha1.ContainerDesktop, c[0].Name, "have %d containers, want the desktop and its agent", len(c))
	equal(t, "agent", c[1], map[string]any{
		"name": "vdi-agent", "image": "agent:1", "terminationMessagePolicy": "FallbackToLogsOnError",
		"args": []string{"--activators=vdi-activator-peers.vdi-system.svc:8081", "--desktop-port=8080", "--behind-port=8081"},
		"env": []map[string]any{{"name": "VDI_AGENT_TOKEN",
			"valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "ada-turn", "key": "agent", "optional": true}}}},
		"resources": map[string]any{"requests": map[string]string{"cpu": "5m", "memory": "16Mi"}, "limits": map[string]string{"cpu": "500m", "memory": "32Mi"}},
		"securityContext": map[string]any{"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "allowPrivilegeEscalation": false,
			"readOnlyRootFilesystem": true, "capabilities": map[string]any{"drop": []string{"ALL"}}, "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
	})
	for _, e := range c[0].Env {
		assert.False(t, e.ValueFrom != nil && e.ValueFrom.SecretKeyRef.Key == AgentTokenKey, "the desktop can read the agent's token")
	}
}

func TestAnAgentKnowsWhereSelkies16ListensBehindItsImagesWebServer(t *testing.T) {
	for name, tc := range map[string]struct {
		protocol v1alpha1.StreamingProtocol
		env      []corev1.EnvVar
		want     string
	}{
		"its images' default":          {v1alpha1.ProtocolSelkies1, nil, "--behind-port=8081"},
		"what the template says":       {v1alpha1.ProtocolSelkies1, []corev1.EnvVar{{Name: "SELKIES_PORT", Value: "9000"}}, "--behind-port=9000"},
		"the desktop's own port":       {v1alpha1.ProtocolSelkies1, []corev1.EnvVar{{Name: "SELKIES_PORT", Value: "8080"}}, ""},
		"what is known to kubelet":     {v1alpha1.ProtocolSelkies1, []corev1.EnvVar{{Name: "SELKIES_PORT", Value: "$(OTHER)"}}, ""},
		"another protocol":             {v1alpha1.ProtocolSelkies2WebRTC, nil, ""},
		"a protocol that is not known": {v1alpha1.ProtocolAuto, nil, "--behind-port=8081"},
	} {
		tm := template()
		tm.Spec.Streaming.Protocol, tm.Spec.Env = tc.protocol, tc.env
		shape, err := Build(withAgent(), tm, session(), 0)
		require.NoError(t, err, name)
		args := shape.Pod.Spec.Containers[1].Args[2:]
		assert.Equal(t, tc.want, strings.Join(args, " "), name)
	}
}

func TestAPodTemplateMaySizeOrRemoveTheAgentAndNothingElse(t *testing.T) {
	c := containers(t, withAgent(), `{"spec":{"containers":[{"name":"vdi-agent","image":"evil","args":["--x"],"resources":{"limits":{"memory":"64Mi"}}},{"name":"helper","image":"h"}]}}`)
	i := slices.IndexFunc(c, func(c corev1.Container) bool { return c.Name == v1alpha1.ContainerAgent })
	require.Len(t, c, 3)
	require.GreaterOrEqual(t, i, 0)
	equal(t, "image", c[i].Image, "agent:1")
	equal(t, "arguments", len(c[i].Args), 3)
	equal(t, "limit", c[i].Resources.Limits, map[string]string{"cpu": "500m", "memory": "64Mi"})

	assert.Len(t, containers(t, withAgent(), `{"spec":{"containers":[{"name":"vdi-agent","$patch":"delete"}]}}`), 1,
		"containers, want the desktop's alone")
	if c := containers(t, config.Default(), `{"spec":{"containers":[{"name":"vdi-agent","resources":{"limits":{"memory":"64Mi"}}}]}}`); len(c) != 1 {
		t.Errorf("%d containers where agents are switched off", len(c))
	}
}

func TestABadPodTemplateIsNamed(t *testing.T) {
	for patch, says := range map[string]string{
		`[]`:                            "must be an object with metadata and spec",
		`{"containers":[]}`:             `unknown field "containers"`,
		`{"spec":{"nodeSelectr":{}}}`:   `unknown field "spec.nodeSelectr"`,
		`{"spec":{"nodeSelector":"a"}}`: "nodeSelector of type map[string]string; see `kubectl explain pod.spec`",
		`{"spec":{"containers":[{"name":"desktop","$patch":"delete"}]}}`: `removes the container "desktop", which serves the desktop; change its fields instead`,
		`{"spec":{"containers":{"name":"desktop"}}}`:                     "kubectl explain pod.spec",
	} {
		tm := template()
		tm.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(patch)}
		_, err := Build(config.Default(), tm, session(), 0)
		require.Error(t, err, patch)
		require.Contains(t, err.Error(), says, patch)
		assert.Contains(t, err.Error(), `template "egl": spec.podTemplate`, "%s, have %v", patch, err)
	}
}

func TestTheHashChangesWithTheShapeAndWithNothingElse(t *testing.T) {
	hashOf := func(change func(*v1alpha1.VDITemplate, *v1alpha1.VDISession)) string {
		tm, s := template(), session()
		change(tm, s)
		return build(t, tm, s).Annotations[v1alpha1.AnnotationShapeHash]
	}
	first := hashOf(func(*v1alpha1.VDITemplate, *v1alpha1.VDISession) {})
	for name, change := range map[string]func(*v1alpha1.VDITemplate, *v1alpha1.VDISession){
		"display name": func(tm *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) { tm.Spec.DisplayName = "x" },
		"power":        func(_ *v1alpha1.VDITemplate, s *v1alpha1.VDISession) { s.Spec.Power = v1alpha1.PowerOff },
		"status": func(_ *v1alpha1.VDITemplate, s *v1alpha1.VDISession) {
			s.Status.StartTime = &metav1.MicroTime{Time: time.Now()}
		},
	} {
		assert.Equal(t, first, hashOf(change), "%s changes the shape", name)
	}
	for name, change := range map[string]func(*v1alpha1.VDITemplate, *v1alpha1.VDISession){
		"image": func(tm *v1alpha1.VDITemplate, _ *v1alpha1.VDISession) { tm.Spec.Image = "x" },
		"memory": func(_ *v1alpha1.VDITemplate, s *v1alpha1.VDISession) {
			s.Spec.Resources = &v1alpha1.SessionResources{Memory: quantity("1Gi")}
		},
	} {
		assert.NotEqual(t, first, hashOf(change), "%s does not change the shape", name)
	}
}

func TestAHomeBelongsToUserAndTemplate(t *testing.T) {
	require.NotEqual(t, HomeName("ab", ""), HomeName("a", "b"))
	require.NotEqual(t, HomeName("a", "c"), HomeName("a", "b"))
	assert.NotEqual(t, HomeName("c", "b"), HomeName("a", "b"), "two homes share a name")
	s := session()
	s.Spec.Persistence = &v1alpha1.SessionPersistence{Size: quantity("50Gi")}
	claim := HomeClaim(template(), s)
	once := template()
	once.Spec.Persistence.AccessMode = corev1.ReadWriteOncePod
	equal(t, "access mode", HomeClaim(once, s).Spec.AccessModes, []string{"ReadWriteOncePod"})
	equal(t, "size", claim.Spec.Resources.Requests, map[string]string{"storage": "50Gi"})
	equal(t, "annotations", claim.Annotations, map[string]string{v1alpha1.AnnotationUser: "ada@example.com", v1alpha1.AnnotationHeldBy: "ada",
		v1alpha1.AnnotationCreatedBy: "1-2-3"})
}

func TestASessionKeepsAHomeThatItsTemplateDeletesAndNotTheOtherWayRound(t *testing.T) {
	const retain, del = v1alpha1.ReclaimRetain, v1alpha1.ReclaimDelete
	mine, older := map[string]string{v1alpha1.AnnotationCreatedBy: "1-2-3"}, map[string]string(nil)
	for _, c := range []struct {
		name              string
		template, session v1alpha1.ReclaimPolicy // none is no template
		home              map[string]string
		want              v1alpha1.ReclaimPolicy
		says              string
	}{
		{"neither says anything", "", "", mine, retain, ""},
		{"the template deletes", del, "", mine, del, ""},
		{"both delete", del, del, mine, del, ""},
		{"the session retains", del, retain, mine, retain, ""},
		{"the session retains an older home", del, retain, older, retain, ""},
		{"the session deletes what the template retains", retain, del, mine, retain, `spec.persistence.reclaimPolicy is Delete and template "egl" says Retain`},
		{"the session deletes and the template says nothing", "", del, mine, retain, `template "egl" says Retain`},
		{"the home is older", del, "", older, del, `PersistentVolumeClaim "the-home"`},
		{"the home is another session's", del, del, map[string]string{v1alpha1.AnnotationCreatedBy: "3-2-1"}, del, `PersistentVolumeClaim "the-home"`},
		{"the template is gone", "none", del, mine, retain, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, tm := session(), template()
			s.Spec.Persistence = &v1alpha1.SessionPersistence{ReclaimPolicy: c.session}
			tm.Spec.Persistence.ReclaimPolicy = c.template
			home := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "the-home", Annotations: c.home}}
			if c.template == "none" {
				assert.Equal(t, c.want, ReclaimPolicy(nil, s))
				return
			}
			assert.Equal(t, c.want, ReclaimPolicy(tm, s))
			if says := StaysThough(home, tm, s); c.says == "" {
				assert.Empty(t, says)
			} else {
				assert.Contains(t, says, c.says)
			}
		})
	}
	assert.Equal(t, retain, ReclaimPolicy(nil, session()), "a session that says nothing, without a template")
}

func TestADesktopIsToldWhatItsImagesDefaultsDoNotSay(t *testing.T) {
	noPassword, turn := []string{"SELKIES_ENABLE_BASIC_AUTH=false"}, []string{"SELKIES_TURN_REST_URI", "SELKIES_TURN_REST_USERNAME"}
	both := slices.Concat(noPassword, turn)
	for name, c := range map[string]struct {
		protocol v1alpha1.StreamingProtocol
		port     int32
		env      []corev1.EnvVar
		want     []string
	}{
		"nothing said":                      {"", 0, nil, both},
		"auto":                              {v1alpha1.ProtocolAuto, 8080, nil, both},
		"auto, elsewhere":                   {v1alpha1.ProtocolAuto, 3000, nil, both},
		"selkies 1":                         {v1alpha1.ProtocolSelkies1, 8080, nil, both},
		"selkies 1, elsewhere":              {v1alpha1.ProtocolSelkies1, 9000, nil, slices.Concat(noPassword, []string{"NGINX_PORT=9000"}, turn)},
		"selkies 1 without nginx":           {v1alpha1.ProtocolSelkies1, 9000, []corev1.EnvVar{{Name: "SELKIES_PORT", Value: "9000"}}, append(slices.Clone(both), "SELKIES_PORT=9000")},
		"selkies 1 with a port of its own":  {v1alpha1.ProtocolSelkies1, 9000, []corev1.EnvVar{{Name: "NGINX_PORT", Value: "9000"}}, append(slices.Clone(both), "NGINX_PORT=9000")},
		"selkies 2 by WebRTC":               {v1alpha1.ProtocolSelkies2WebRTC, 8080, nil, both},
		"selkies 2 by WebRTC, elsewhere":    {v1alpha1.ProtocolSelkies2WebRTC, 9000, nil, slices.Concat(noPassword, []string{"SELKIES_PORT=9000"}, turn)},
		"selkies 2":                         {v1alpha1.ProtocolSelkies2WebSockets, 8080, nil, noPassword},
		"selkies 2, elsewhere":              {v1alpha1.ProtocolSelkies2WebSockets, 9000, nil, append(slices.Clone(noPassword), "SELKIES_PORT=9000")},
		"linuxserver":                       {v1alpha1.ProtocolLinuxServer, 3000, nil, nil},
		"linuxserver, elsewhere":            {v1alpha1.ProtocolLinuxServer, 8080, nil, []string{"CUSTOM_PORT=8080"}},
		"linuxserver, as the template says": {v1alpha1.ProtocolLinuxServer, 8080, []corev1.EnvVar{{Name: "CUSTOM_PORT", Value: "8080"}}, []string{"CUSTOM_PORT=8080"}},
		"any other":                         {v1alpha1.ProtocolWebSocket, 6080, nil, nil},
		"a password after all":              {v1alpha1.ProtocolSelkies2WebSockets, 8080, []corev1.EnvVar{{Name: "SELKIES_ENABLE_BASIC_AUTH", Value: "true"}}, []string{"SELKIES_ENABLE_BASIC_AUTH=true"}},
	} {
		t.Run(name, func(t *testing.T) {
			tm := template()
			tm.Spec.Streaming, tm.Spec.Env = v1alpha1.StreamingSpec{Protocol: c.protocol, Port: c.port}, c.env
			var have []string
			for _, e := range desktop(t, build(t, tm, session())).Env {
				if e.Value != "" && e.Name != "SELKIES_TURN_REST_URI" {
					e.Name += "=" + e.Value
				}
				have = append(have, e.Name)
			}
			assert.Equal(t, c.want, have)
		})
	}
}

func TestAnImageThatStartsAsRootKeepsWhatItBecomesAnotherUserWith(t *testing.T) {
	tm := template()
	tm.Spec.Security = v1alpha1.SecurityImageRoot
	may := desktop(t, build(t, tm, session())).SecurityContext
	equal(t, "privilege escalation", may.AllowPrivilegeEscalation, false)
	equal(t, "seccomp", may.SeccompProfile, map[string]any{"type": "RuntimeDefault"})
	assert.Empty(t, may.Capabilities.Add, "is added, which Knative refuses")
	for _, kept := range []corev1.Capability{"ALL", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"} {
		assert.NotContains(t, may.Capabilities.Drop, kept, "is dropped")
	}
	for _, gone := range []corev1.Capability{"NET_RAW", "MKNOD", "SYS_CHROOT", "SETPCAP"} {
		assert.Contains(t, may.Capabilities.Drop, gone, "stays")
	}
}

func TestANullInAPodTemplateIsRefusedHoweverItWasApplied(t *testing.T) {
	const written = `{"spec":{"containers":[{"name":"desktop","securityContext":{"capabilities":null,"runAsUser":0}}]}}`
	const pruned = `{"spec":{"containers":[{"name":"desktop","securityContext":{"runAsUser":0}}]}}`
	applied := func(podTemplate string) map[string]string {
		return map[string]string{corev1.LastAppliedConfigAnnotation: `{"kind":"VDITemplate","spec":{"image":"x","podTemplate":` + podTemplate + `}}`}
	}
	for name, tc := range map[string]struct {
		raw         string
		annotations map[string]string
		refused     bool
	}{
		"by create":                     {written, nil, true},
		"by apply, which drops it":      {pruned, applied(written), true},
		"by apply, and mended since":    {`{"spec":{"containers":[{"name":"desktop","securityContext":{"capabilities":{"drop":[]},"runAsUser":0}}]}}`, applied(written), false},
		"by apply, without":             {pruned, applied(pruned), false},
		"an annotation that is no JSON": {pruned, map[string]string{corev1.LastAppliedConfigAnnotation: "{"}, false},
		"one that takes nothing away":   {`{"metadata":{"creationTimestamp":null},"spec":{"nodeSelector":null}}`, nil, false},
		"null itself":                   {"null", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			tm := template()
			tm.Annotations, tm.Spec.PodTemplate = tc.annotations, &runtime.RawExtension{Raw: []byte(tc.raw)}
			_, err := Build(config.Default(), tm, session(), time.Minute)
			require.Equal(t, tc.refused, err != nil, "refused: %v", err)
			if err != nil && (!strings.Contains(err.Error(), `template "egl": spec.podTemplate.spec.containers[0].securityContext.capabilities: null is refused`) || !strings.Contains(err.Error(), "capabilities: {drop: []}")) {
				t.Error(err)
			}
		})
	}
	tm := template()
	tm.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"desktop","securityContext":{"capabilities":{"drop":[]}}}]}}`)}
	caps := desktop(t, build(t, tm, session())).SecurityContext.Capabilities
	require.NotNil(t, caps)
	assert.Empty(t, caps.Drop, "the remedy leaves %+v", caps)
}

func TestKnativesProxyHasLimitsUnlessAPodTemplateSaysOtherwise(t *testing.T) {
	const limit = "queue.sidecar.serving.knative.dev/cpu-resource-limit"
	for podTemplate, want := range map[string]string{
		`{}`: "500m",
		`{"metadata":{"annotations":{"` + limit + `":"1"}}}`: "1",
	} {
		tm := template()
		tm.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(podTemplate)}
		annotations := build(t, tm, session()).Spec.Template.Annotations
		assert.Equal(t, want, annotations[limit])
		assert.Equal(t, "256Mi", annotations["queue.sidecar.serving.knative.dev/memory-resource-limit"])
	}
}
