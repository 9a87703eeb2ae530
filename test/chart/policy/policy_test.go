package policy

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// What the policies of Kubernetes' documentation mean, case by case.

var (
	web = End{Namespace: "shop", Labels: map[string]string{"app": "web"}, Ports: map[string]int32{"http": 8080},
		Address: netip.MustParseAddr("10.244.0.5")}
	db      = End{Namespace: "shop", Labels: map[string]string{"app": "db"}, Address: netip.MustParseAddr("10.244.0.6")}
	foreign = End{Namespace: "other", NamespaceLabels: map[string]string{"team": "b"}, Labels: map[string]string{"app": "web"},
		Address: netip.MustParseAddr("10.244.1.7")}
	outside = End{Address: netip.MustParseAddr("203.0.113.9")}
)

func policies(t *testing.T, specs ...string) Policies {
	t.Helper()
	var all Policies
	for _, text := range specs {
		p := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}}
		require.NoError(t, yaml.UnmarshalStrict([]byte(text), &p.Spec))
		all = append(all, p)
	}
	return all
}

func tcp(from, to End, port int32) Connection { return Connection{from, to, port, corev1.ProtocolTCP} }
func udp(from, to End, port int32) Connection { return Connection{from, to, port, corev1.ProtocolUDP} }

func TestPoliciesMeanWhatTheAPISays(t *testing.T) {
	for name, c := range map[string]struct {
		specs []string
		pass  []Connection
		fail  []Connection
	}{
		"without a policy all is open": {
			pass: []Connection{tcp(outside, web, 1), udp(web, outside, 2), tcp(foreign, db, 3)},
		},
		"a policy closes one direction of the pods that it selects": {
			specs: []string{`{podSelector: {matchLabels: {app: web}}}`},
			pass:  []Connection{tcp(web, outside, 443), tcp(foreign, db, 5432)},
			fail:  []Connection{tcp(outside, web, 8080), tcp(db, web, 8080)},
		},
		"egress counts where it has rules, or is named": {
			specs: []string{`{podSelector: {matchLabels: {app: web}}, egress: [{ports: [{port: 53, protocol: UDP}]}]}`,
				`{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}`},
			pass: []Connection{udp(web, outside, 53), tcp(foreign, db, 5432)},
			fail: []Connection{tcp(web, outside, 53), tcp(web, outside, 443), tcp(db, outside, 443)},
		},
		"policies add up": {
			specs: []string{`{podSelector: {}}`, `{podSelector: {}, ingress: [{ports: [{port: 1}]}]}`,
				`{podSelector: {}, ingress: [{ports: [{port: 2}]}]}`},
			pass: []Connection{tcp(outside, web, 1), tcp(outside, web, 2)},
			fail: []Connection{tcp(outside, web, 3), udp(outside, web, 1)},
		},
		"both ends must agree": {
			specs: []string{`{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress],
                    egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}`,
				`{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 5432}]}]}`},
			pass: []Connection{tcp(web, db, 5432)},
			fail: []Connection{tcp(web, db, 22), tcp(web, outside, 5432)},
		},
		"a pod selector alone means the policy's own namespace": {
			specs: []string{`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`},
			pass:  []Connection{tcp(web, db, 1)},
			fail:  []Connection{tcp(foreign, db, 1)},
		},
		"a namespace selector means its pods, no addresses": {
			specs: []string{`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}]}]}`},
			pass:  []Connection{tcp(web, db, 1), tcp(foreign, db, 1)},
			fail:  []Connection{tcp(outside, db, 1)},
		},
		"both selectors of one peer must match, of two peers either": {
			specs: []string{`{podSelector: {matchLabels: {app: db}},
                    ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}]}]}`,
				`{podSelector: {matchLabels: {app: web}},
                    ingress: [{from: [{namespaceSelector: {matchLabels: {team: none}}}, {podSelector: {matchLabels: {app: db}}}]}]}`},
			pass: []Connection{tcp(foreign, db, 1), tcp(db, web, 1)},
			fail: []Connection{tcp(web, db, 1), tcp(foreign, web, 1)},
		},
		"a namespace has its name as a label": {
			specs: []string{`{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}]}]}`},
			pass:  []Connection{tcp(foreign, db, 1)},
			fail:  []Connection{tcp(web, db, 1)},
		},
		"a block has exceptions, and holds pods' addresses too": {
			specs: []string{`{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress],
                    egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]}`,
				`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.244.1.0/24}}]}]}`},
			pass: []Connection{tcp(web, outside, 443), udp(web, outside, 5000), tcp(foreign, db, 1)},
			fail: []Connection{tcp(web, db, 1), tcp(web, foreign, 1), tcp(web, End{Address: netip.MustParseAddr("2001:db8::1")}, 443)},
		},
		"a range of ports has both ends": {
			specs: []string{`{podSelector: {}, ingress: [{ports: [{port: 100, endPort: 200, protocol: UDP}]}]}`},
			pass:  []Connection{udp(outside, web, 100), udp(outside, web, 200)},
			fail:  []Connection{udp(outside, web, 99), udp(outside, web, 201), tcp(outside, web, 150)},
		},
		"a named port is the receiver's": {
			specs: []string{`{podSelector: {}, ingress: [{ports: [{port: http}]}]}`},
			pass:  []Connection{tcp(outside, web, 8080)},
			fail:  []Connection{tcp(outside, web, 80), tcp(outside, db, 8080)},
		},
		"expressions select": {
			specs: []string{`{podSelector: {matchExpressions: [{key: app, operator: Exists}]},
                    ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [web]}]}}]}]}`},
			pass: []Connection{tcp(web, db, 1)},
			fail: []Connection{tcp(db, web, 1)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ps := policies(t, c.specs...)
			for want, connections := range map[bool][]Connection{true: c.pass, false: c.fail} {
				for _, connection := range connections {
					got, err := ps.Allow(connection)
					require.NoError(t, err)
					assert.Equal(t, want, got, "%+v: allowed", connection)
				}
			}
		})
	}
}

func TestABlockThatTheAPIServerRefusesIsAnError(t *testing.T) {
	for _, block := range []string{`{cidr: nonsense}`, `{cidr: 10.0.0.0/8, except: [192.168.0.0/16]}`,
		`{cidr: 10.0.0.0/8, except: [10.0.0.0/8]}`} {
		ps := policies(t, `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: `+block+`}]}]}`)
		_, err := ps.Allow(tcp(web, End{Address: netip.MustParseAddr("10.1.1.1")}, 1))
		assert.Error(t, err, "%s was taken", block)
	}
}
