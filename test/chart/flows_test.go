package chart

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/desktopnamespace"
	"github.com/org/vdi-operator/test/chart/policy"
)

// Who is in the cluster, with addresses as clusters give them.
var (
	internet   = outside("93.184.215.14")
	internet6  = outside("2606:2800:21f::14")
	intranet   = outside("10.20.0.5")
	apiServer  = outside("192.168.1.10")
	apiService = outside("10.96.0.1")
	// coturn and a cache of names are in their nodes' network.
	coturn       = outside("192.168.1.21")
	nodeLocalDNS = outside("169.254.20.10")
	metadata     = outside("169.254.169.254")
	// What is neither private by RFC 1918 nor the internet.
	special = []policy.End{outside("168.63.129.16"), outside("192.0.0.192"), outside("100.100.100.200"), outside("64:ff9b::a00:1"),
		outside("64:ff9b:1::a00:1"), outside("fd00:ec2::254"), outside("::ffff:10.0.0.1"), outside("2002:a00:1::1"), outside("fe80::1"), outside("255.255.255.255")}
	turnServer = outside("198.41.128.1")

	activator  = podOf(release.Namespace, "10.244.0.10", componentLabels("activator"))
	operator   = podOf(release.Namespace, "10.244.0.11", componentLabels("operator"))
	portal     = podOf(release.Namespace, "10.244.0.12", componentLabels("portal"))
	node       = podOf(release.Namespace, "10.244.0.13", componentLabels("node"))
	desktop    = podOf("team-a", "10.244.1.20", map[string]string{v1alpha1.LabelSession: "a"})
	neighbour  = podOf("team-a", "10.244.1.21", map[string]string{v1alpha1.LabelSession: "b"})
	stranger   = podOf("team-b", "10.244.1.22", map[string]string{v1alpha1.LabelSession: "c"})
	database   = podOf("team-a", "10.244.1.30", map[string]string{"app": "database"})
	dns        = podOf("kube-system", "10.244.0.2", map[string]string{"k8s-app": "kube-dns"})
	ingress    = podOf("ingress-nginx", "10.244.0.30", map[string]string{"app.kubernetes.io/name": "ingress-nginx"})
	prometheus = podOf("monitoring", "10.244.0.40", map[string]string{"app.kubernetes.io/name": "prometheus"})
	collector  = podOf("tracing", "10.244.0.50", nil)
	// prepulled keeps an image on a node.
	prepulled = podOf(release.Namespace, "10.244.1.50", map[string]string{v1alpha1.LabelPrePull: release.Name, v1alpha1.LabelTemplate: "kde"})
	// mimic has the activator's labels in another namespace.
	mimic = podOf("team-b", "10.244.1.40", componentLabels("activator"))
)

func outside(address string) policy.End { return policy.End{Address: netip.MustParseAddr(address)} }

func podOf(namespace, address string, labels map[string]string) policy.End {
	return policy.End{Namespace: namespace, Address: netip.MustParseAddr(address), Labels: labels}
}

func componentLabels(component string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": "vdi-operator", "app.kubernetes.io/instance": release.Name,
		"app.kubernetes.io/component": component}
}

func tcp(from, to policy.End, port int32) policy.Connection {
	return policy.Connection{From: from, To: to, Port: port, Protocol: corev1.ProtocolTCP}
}

func udp(from, to policy.End, port int32) policy.Connection {
	return policy.Connection{From: from, To: to, Port: port, Protocol: corev1.ProtocolUDP}
}

// policies are those that the chart renders and, in namespaces with sessions, the one
// that the operator makes by the configuration that it is given.
func policies(t *testing.T, set string, namespaces ...string) policy.Policies {
	t.Helper()
	var all policy.Policies
	configured := false
	for _, o := range objects(t)(template(t, "--values", values(t, set))) {
		switch {
		case o.GetKind() == "NetworkPolicy":
			var p networkingv1.NetworkPolicy
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &p, true))
			all = append(all, p)
		case o.GetKind() == "ConfigMap" && o.GetName() == "vdi-operator":
			data := o.Object["data"].(map[string]any)
			// The operator itself reads it.
			cfg, err := config.Parse([]byte(data["config.yaml"].(string)))
			require.NoError(t, err)
			configured = true
			if cfg.DesktopNetworkPolicy == nil {
				continue
			}
			for _, namespace := range namespaces {
				all = append(all, networkingv1.NetworkPolicy{
					ObjectMeta: metav1.ObjectMeta{Name: desktopnamespace.Name, Namespace: namespace}, Spec: *cfg.DesktopNetworkPolicy})
			}
		}
	}
	require.True(t, configured, "the operator's configuration was not rendered")
	return all
}

func TestWhoMaySpeakWithWhom(t *testing.T) {
	// needed is what the programs cannot work without.
	needed := []policy.Connection{
		tcp(operator, apiServer, 6443), tcp(operator, apiService, 443), udp(operator, dns, 53), tcp(operator, dns,
			53), udp(operator, nodeLocalDNS, 53),
		tcp(activator, apiServer, 6443), tcp(activator, apiService, 443), udp(activator, dns, 53),
		// Desktops listen where their template says.
		tcp(activator, desktop, 8080), tcp(activator, desktop, 6901), tcp(activator, stranger, 8080),
		// Credentials, and the agents' announcements.
		tcp(desktop, activator, 8081), tcp(stranger, activator, 8081),
		udp(desktop, dns, 53), tcp(desktop, dns, 53), udp(desktop, nodeLocalDNS, 53),
	}
	turn := []policy.Connection{tcp(activator, coturn, 9641), // its public address
		udp(desktop, coturn, 3478), tcp(desktop, coturn, 3478), udp(desktop, coturn, 49160),
		udp(desktop, coturn, 49659)}
	open := []policy.Connection{tcp(internet, activator, 8080), tcp(ingress, activator, 8080), tcp(prometheus, activator, 9090),
		tcp(prometheus, operator, 8080)}
	browsing := []policy.Connection{tcp(desktop, internet, 443), udp(desktop, internet, 50000), tcp(desktop, internet6, 443)}
	// never is what must not be, whatever is set.
	never := []policy.Connection{
		// Desktops ask for no password.
		tcp(neighbour, desktop, 8080), tcp(stranger, desktop, 8080), tcp(database, desktop, 8080), tcp(internet, desktop,
			8080), tcp(ingress, desktop, 8080),
		tcp(mimic, desktop, 8080), tcp(operator, desktop, 8080), udp(stranger, desktop, 50000),
		// What a shell in a desktop would try.
		tcp(desktop, database, 5432), tcp(desktop, apiServer, 6443), tcp(desktop, apiService, 443), tcp(desktop, metadata,
			80), tcp(desktop, intranet, 445),
		tcp(desktop, operator, 8080), tcp(desktop, operator, 8081), tcp(desktop, coturn, 22), tcp(desktop, coturn,
			10250), tcp(desktop, neighbour, 22),
		tcp(desktop, mimic, 8081), tcp(desktop, activator, 8082),
		// Names are asked of the cluster, not of whoever listens at 53.
		tcp(desktop, intranet, 53), udp(desktop, apiServer, 53), udp(activator, intranet, 53),
		// Only desktops may reach the port that takes their tokens.
		tcp(internet, activator, 8081), tcp(ingress, activator, 8081), tcp(database, activator, 8081), tcp(prometheus, activator, 8081),
		tcp(internet, operator, 9443), tcp(database, operator, 8081),
		// What an intruder in one of our programs would try.
		tcp(activator, internet, 25), tcp(activator, internet, 80), tcp(activator, database, 5432), tcp(activator, intranet,
			445), tcp(activator, metadata, 80), tcp(activator, operator, 8080),
		tcp(operator, database, 5432), tcp(operator, metadata, 80), tcp(operator, activator, 8080), udp(operator, internet, 443),
		tcp(desktop, portal, 8080), tcp(desktop, portal, 8081),
		tcp(desktop, node, 7080), tcp(desktop, node, 9090),
	}
	for _, s := range special {
		never = append(never, tcp(desktop, s, 443), tcp(desktop, s, 80))
	}
	for set, c := range map[string]struct{ pass, fail [][]policy.Connection }{
		"default": {
			pass: [][]policy.Connection{needed, turn, open, browsing,
				// What else lives in a namespace with sessions is not the policy's concern.
				{tcp(database, internet, 443), tcp(ingress, database, 5432)}},
			fail: [][]policy.Connection{never, {udp(desktop, coturn, 49159), udp(desktop, coturn, 49660), udp(desktop, intranet, 40000)}},
		},
		"watched-namespaces": {pass: [][]policy.Connection{needed, turn, open, browsing}, fail: [][]policy.Connection{never}},
		"one-namespace":      {pass: [][]policy.Connection{needed, turn, open, browsing}, fail: [][]policy.Connection{never}},
		"deployments":        {pass: [][]policy.Connection{needed, turn, open, browsing}, fail: [][]policy.Connection{never}},
		"production": {
			pass: [][]policy.Connection{{tcp(ingress, activator, 8080), tcp(prometheus, activator, 9090), tcp(prometheus, operator, 8080),
				tcp(operator, outside("192.0.2.10"), 6443), tcp(activator, outside("192.0.2.10"), 6443), tcp(activator, desktop,
					8080), tcp(desktop, activator, 8081)}, turn, browsing},
			fail: [][]policy.Connection{never, {tcp(internet, activator, 8080), tcp(desktop, activator, 8080),
				tcp(ingress, activator, 9090), tcp(collector, operator, 8080),
				tcp(operator, internet, 6443), tcp(activator, internet, 443)}},
		},
		"external-turn": {
			pass: [][]policy.Connection{needed, open, browsing, {udp(desktop, turnServer, 3479), tcp(desktop, turnServer, 3479),
				tcp(desktop, turnServer, 443), udp(desktop, turnServer, 49152)}},
			fail: [][]policy.Connection{never, {udp(desktop, intranet, 3479), tcp(desktop, intranet, 443), tcp(desktop, apiServer, 443),
				udp(desktop, intranet, 49152), tcp(activator, coturn, 9641)}},
		},
		"sign-in": {
			pass: [][]policy.Connection{needed, turn, open, browsing, {tcp(activator, portal, 8080), tcp(activator, portal, 8081),
				tcp(operator, portal, 8081), tcp(portal, apiServer, 6443), udp(portal, dns, 53), tcp(prometheus, portal, 9090),
				// Each its own providers.
				tcp(portal, internet, 9443), tcp(activator, internet, 10443)}},
			fail: [][]policy.Connection{never, {tcp(activator, portal, 9090), tcp(portal, internet, 10443), tcp(activator, internet, 9443),
				// The portal believes whom it is passed on by, and that is the activator alone.
				tcp(internet, portal, 8080), tcp(ingress, portal, 8080), tcp(mimic, portal, 8081), tcp(operator, portal, 8080),
				tcp(prometheus, portal, 8080),
				tcp(portal, desktop, 8080), tcp(portal, database, 5432), tcp(portal, activator, 8081), tcp(portal, metadata, 80),
				tcp(portal, internet, 25)}},
		},
		"doze": {
			pass: [][]policy.Connection{needed, turn, open, browsing, {tcp(operator, node, 7080), tcp(activator, node, 7080),
				tcp(node, apiServer, 6443), tcp(node, apiService, 443), tcp(prometheus, node, 9090)}},
			fail: [][]policy.Connection{never, {tcp(internet, node, 7080), tcp(ingress, node, 7080), tcp(mimic, node, 7080), tcp(database, node, 7080),
				tcp(prometheus, node, 7080), tcp(activator, node, 9090), tcp(activator, node, 22),
				tcp(node, desktop, 8080), tcp(node, activator, 8081), tcp(node, internet, 80), tcp(node, metadata, 80), udp(node, dns, 53)}},
		},
		"closed-network": {
			pass: [][]policy.Connection{needed, turn, open, {tcp(prometheus, desktop, 9090), tcp(operator, collector, 4317),
				tcp(activator, collector, 4317)}},
			fail: [][]policy.Connection{never, browsing, {tcp(prometheus, desktop, 8080), tcp(desktop, collector, 4317),
				tcp(activator, collector, 4318)}},
		},
		"everything": {
			pass: [][]policy.Connection{needed, turn, open, browsing},
			fail: [][]policy.Connection{never, {tcp(prepulled, internet, 443), tcp(prepulled, apiServer, 6443), udp(prepulled, dns, 53),
				tcp(desktop, prepulled, 80), tcp(internet, prepulled, 80)}},
		},
	} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			ps := policies(t, set, "team-a", "team-b")
			for want, lists := range map[bool][][]policy.Connection{true: c.pass, false: c.fail} {
				for _, list := range lists {
					for _, connection := range list {
						if got, err := ps.Allow(connection); err != nil || got != want {
							t.Errorf("%s from %v to %v, port %d: comes through %v (%v), want %v", connection.Protocol,
								name(connection.From), name(connection.To), connection.Port, got, err, want)
						}
					}
				}
			}
		})
	}
}

func TestWithoutPoliciesAllIsOpen(t *testing.T) {
	ps := policies(t, "open-network", "team-a")
	assert.Empty(t, ps, "policies")
}

func name(e policy.End) string {
	if e.Namespace == "" {
		return e.Address.String()
	}
	for _, key := range []string{v1alpha1.LabelSession, "app.kubernetes.io/component", "app.kubernetes.io/name", "app", "k8s-app"} {
		if value := e.Labels[key]; value != "" {
			return e.Namespace + "/" + value
		}
	}
	return e.Namespace + "/" + e.Address.String()
}
