package check

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/turn/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/installation"
)

// program is a Deployment with as many ready replicas as wanted.
func program(name string, wanted, ready int32) *appsv1.Deployment {
	labels := map[string]string{"component": name}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: name},
		Spec:       appsv1.DeploymentSpec{Replicas: &wanted, Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}
	d.Status.ReadyReplicas = ready
	d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue}}
	return d
}

func pod(name, component, ip string, port int32) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: name, Labels: map[string]string{"component": component}}}
	p.Spec.Containers = []corev1.Container{{Name: component, Ports: []corev1.ContainerPort{{Name: metricsPort, ContainerPort: port}}}}
	p.Status.PodIP, p.Status.HostIP = ip, ip
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return p
}

func status(conditions string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: "vdi-status"}, Data: map[string]string{installation.ConditionsKey: conditions}}
}

// activator answers as the activator does at all its ports.
func activator(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/metrics":
			w.WriteHeader(http.StatusOK)
		case r.URL.Path == "/turn" && r.Host == "vdi-activator-internal.vdi-system.svc:8081":
			w.WriteHeader(http.StatusForbidden)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// turnServer is a TURN server that takes one user; it returns its port.
func turnServer(t *testing.T, auth turn.AuthHandler) int {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Skipf("the TCP port is taken by UDP: %v", err)
	}
	relay := &turn.RelayAddressGeneratorNone{Address: "127.0.0.1"}
	s, err := turn.NewServer(turn.ServerConfig{
		Realm: "vdi", AuthHandler: auth,
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: udp, RelayAddressGenerator: relay}},
		ListenerConfigs:   []turn.ListenerConfig{{Listener: tcp, RelayAddressGenerator: relay}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return tcp.Addr().(*net.TCPAddr).Port
}

func nobody(string, string, net.Addr) ([]byte, bool) { return nil, false }

// checker checks an installation whose every Service leads to web.
func checker(t *testing.T, web *httptest.Server, objects ...client.Object) *Checker {
	t.Helper()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("VDISession"), meta.RESTScopeNamespace)
	cfg := config.Default()
	cfg.URL.Domain = "vdi.example.com"
	return &Checker{
		Client:   fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithRESTMapper(mapper).WithObjects(objects...).Build(),
		Config:   cfg,
		Kinds:    []schema.GroupVersionKind{v1alpha1.GroupVersion.WithKind("VDISession")},
		Operator: types.NamespacedName{Namespace: "vdi-system", Name: "vdi-operator"}, Activator: types.NamespacedName{Namespace: "vdi-system", Name: "vdi-activator"},
		HTTP: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.Contains(address, ".svc") {
				address = web.Listener.Addr().String()
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}}},
		Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no DNS here") }},
		Out:      &bytes.Buffer{},
	}
}

func healthy(web *httptest.Server) []client.Object {
	return []client.Object{
		program("vdi-operator", 1, 1), program("vdi-activator", 2, 2),
		pod("vdi-activator-1", "vdi-activator", "127.0.0.1", int32(web.Listener.Addr().(*net.TCPAddr).Port)),
		pod("vdi-coturn-1", "vdi-coturn", "127.0.0.1", 9641),
		status("- {type: KnativeReady, status: 'True'}\n- {type: DefinitionsPresent, status: 'True'}\n"),
	}
}

func TestAHealthyInstallationPassesEveryCheck(t *testing.T) {
	web := activator(t)
	c := checker(t, web, healthy(web)...)
	c.Config.TURN.Discovery = &config.TURNDiscovery{Namespace: "vdi-system", Selector: map[string]string{"component": "vdi-coturn"}, Port: turnServer(t, nobody)}
	err := c.Run(t.Context())
	text := c.Out.(*bytes.Buffer).String()
	require.NoError(t, err)
	require.NotContains(t, text, "FAIL")
	port := strconv.Itoa(c.Config.TURN.Discovery.Port)
	for _, want := range []string{
		"ok    API definitions: VDISession\n", "ok    operator: 1 of 1 replicas", "ok    operator's conditions: KnativeReady, DefinitionsPresent\n",
		"ok    activator: 2 of 2 replicas", "answers 404 for the unknown host 0--check.vdi.example.com\n", "/turn answers 403\n", "/metrics answers 200\n",
		"ok    TURN at turn:127.0.0.1:" + port + "?transport=udp: answers a STUN binding, and 401", "ok    TURN at turn:127.0.0.1:" + port + "?transport=tcp: answers",
		"warn  sessions' domain: ",
	} {
		assert.Contains(t, text, want, "want %q in:\n%s", want, text)
	}
}

func TestWhatIsWrongIsSaidWithItsRemedy(t *testing.T) {
	web := activator(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(elsewhere.Close)
	without := func(name string, more ...client.Object) []client.Object {
		var kept []client.Object
		for _, o := range healthy(web) {
			if o.GetName() != name {
				kept = append(kept, o)
			}
		}
		return append(kept, more...)
	}
	starting := program("vdi-operator", 1, 0)
	starting.Status.Conditions[0].Status = corev1.ConditionFalse
	lost := &config.TURNDiscovery{Namespace: "vdi-system", Selector: map[string]string{"component": "nothing"}, Port: 3478}
	for name, tc := range map[string]struct {
		web     *httptest.Server
		objects []client.Object
		change  func(*Checker)
		says    []string
	}{
		"a definition is missing": {web, healthy(web), func(c *Checker) { c.Kinds = append(c.Kinds, v1alpha1.GroupVersion.WithKind("VDITemplate")) },
			[]string{"FAIL  API definitions: missing: VDITemplate (vdi.kasm.io); ", "crds.enabled=true"}},
		"no operator":            {web, without("vdi-operator"), nil, []string{"FAIL  operator: ", "not found", "describe deployment vdi-operator"}},
		"an operator that waits": {web, without("vdi-operator", starting), nil, []string{"FAIL  operator: 0 of 1 replicas", "logs deployment/vdi-operator"}},
		"a stopped activator":    {web, without("vdi-activator", program("vdi-activator", 0, 0)), nil, []string{"FAIL  activator: 0 of 0", "helm upgrade"}},
		"no conditions":          {web, without("vdi-status"), nil, []string{"FAIL  operator's conditions: there is no ConfigMap vdi-system/vdi-status"}},
		"conditions of nothing":  {web, without("vdi-status", status("[]")), nil, []string{"FAIL  operator's conditions: ", "has none"}},
		"no YAML":                {web, without("vdi-status", status("{")), nil, []string{"FAIL  operator's conditions: ", "conditions: error"}},
		"Knative is too old": {web, without("vdi-status", status("- {type: KnativeReady, status: 'False', reason: TooOld, message: \"Upgrade\\nit.\"}\n- {type: Other, status: 'True'}")), nil,
			[]string{"FAIL  operator's conditions: KnativeReady is False (TooOld): Upgrade it.; do what the message says\n"}},
		"another program answers": {elsewhere, healthy(web), nil, []string{"FAIL  visitors' Service: ", "answers 200", "want 404", "FAIL  desktops' Service: ", "want 403"}},
		"no replica has metrics":  {web, without("vdi-activator-1"), nil, []string{`FAIL  activator's metrics: no ready pod has a port "metrics"`}},
		"no coturn":               {web, healthy(web), func(c *Checker) { c.Config.TURN.Discovery = lost }, []string{"FAIL  TURN: no pod of coturn is ready in namespace vdi-system"}},
		"no TURN server there": {web, healthy(web), func(c *Checker) {
			c.Config.TURN.Discovery = &config.TURNDiscovery{Namespace: "vdi-system", Selector: map[string]string{"component": "vdi-coturn"}, Port: 1}
		}, []string{"FAIL  TURN at turn:127.0.0.1:1?transport=udp: ", "FAIL  TURN at turn:127.0.0.1:1?transport=tcp: ", "connection refused"}},
		"a program that is no TURN server": {web, healthy(web), func(c *Checker) {
			c.Config.TURN.URLs = []string{"turn:" + web.Listener.Addr().String() + "?transport=tcp", "turn:", "turn:127.0.0.1:1?transport=tcp"}
		}, []string{"warn  TURN at turn:127.0.0.1:", "no answer to a STUN binding", `FAIL  TURN: turn.urls: "turn:"`, "from inside the cluster"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := checker(t, tc.web, tc.objects...)
			if tc.change != nil {
				tc.change(c)
			}
			err := c.Run(t.Context())
			text := c.Out.(*bytes.Buffer).String()
			assert.Error(t, err, "passed:\n%s", text)
			for _, want := range tc.says {
				assert.Contains(t, text, want, "want %q in:\n%s", want, text)
			}
			for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
				assert.False(t, strings.HasPrefix(line, "FAIL") && !strings.Contains(line, "; "), "no remedy: %s", line)
			}
		})
	}
}

func TestWhatMendsItselfInTimeIsNoFailure(t *testing.T) {
	checks := 0
	found := patiently(t.Context(), time.Now().Add(time.Minute), func(context.Context) []finding {
		if checks++; checks < 2 {
			return []finding{bad("something", "not yet", "wait")}
		}
		return []finding{good("something", "now")}
	})
	require.Len(t, found, 1)
	require.Equal(t, ok, found[0].verdict)
	assert.Equal(t, 2, checks, "after %d checks %+v", checks, found)
}

func TestBrowsersKnowLocalhost(t *testing.T) {
	c := checker(t, activator(t))
	for _, domain := range []string{"localhost", "vdi.localhost"} {
		c.Config.URL.Domain = domain
		f := c.domain(t.Context())
		assert.Equal(t, ok, f.verdict, "%s: %s", domain, f.line())
	}
}
