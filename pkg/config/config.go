// Package config is what an installation sets once for all its sessions: one YAML
// file, written by the chart, read by the operator and the activator.
//
// It promises that what it returns is complete and valid; every error names the
// field, the value and the remedy.
package config

import (
	"fmt"
	"os"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Config is the file's content.
type Config struct {
	// Installation tells this installation from others in the cluster.
	Installation Installation `json:"installation"`
	// URL says how sessions look from outside.
	URL URL `json:"url"`
	// Sessions are the clocks of sessions whose template and spec say nothing.
	Sessions v1alpha1.Lifecycle `json:"sessions"`
	// Knative says whether desktops run on Knative Serving, and where that lives.
	Knative Knative `json:"knative"`
	// Namespaces are those whose sessions are this installation's; empty is all.
	Namespaces []string `json:"namespaces"`
	// DesktopNetworkPolicy says who may reach desktops and what they may reach, in every
	// namespace with sessions; without it they are as open as the cluster leaves them.
	DesktopNetworkPolicy *networkingv1.NetworkPolicySpec `json:"desktopNetworkPolicy,omitempty"`
	// Activator says where desktops and Knative find the activator.
	Activator Activator `json:"activator"`
	// Agent is what runs beside each desktop.
	Agent Agent `json:"agent"`
	// Limits bound what visitors can make the activator keep.
	Limits Limits `json:"limits"`
	// TrustedProxies are the networks, in CIDR notation, whose X-Forwarded-For is
	// believed. Who comes from one without a header stands for many people.
	TrustedProxies []string `json:"trustedProxies"`
	// TURN is what browsers and desktops are told about the TURN server.
	TURN TURN `json:"turn"`
	// Tracing is where the trace of each wake is sent.
	Tracing Tracing `json:"tracing"`
}

// Installation tells this installation from others in the cluster: whose keys those of
// Knative's configuration are, and where the operator tells how it does.
type Installation struct {
	// Name begins the names of the installation's objects: the chart's fullname.
	Name string `json:"name"`
	// Namespace is the one that it is installed in.
	Namespace string `json:"namespace"`
}

// URL says how sessions look from outside: scheme://<session>--<namespace>.domain[:port]/,
// or scheme://domain[:port]/<session>--<namespace>/ with the routing by path.
type URL struct {
	// Scheme is http or https.
	Scheme string `json:"scheme"`
	// Routing says whether a session is a host or a folder.
	Routing Routing `json:"routing"`
	// Domain is the parent of every session's host name, or the host of all of them.
	Domain string `json:"domain"`
	// Port is the port in URLs; 0 is the scheme's own.
	Port int `json:"port"`
}

// Knative says whether desktops run on Knative Serving, and where that lives.
type Knative struct {
	// Enabled runs each desktop as a Knative Service, otherwise as a Deployment; the
	// rest has no meaning then.
	Enabled bool `json:"enabled"`
	// Namespace holds Knative's config maps.
	Namespace string `json:"namespace"`
	// ApplyConfig lets the operator set the keys of Knative's config maps that
	// desktops need.
	ApplyConfig bool `json:"applyConfig"`
}

// Activator says where desktops and Knative find the activator.
type Activator struct {
	// Service and Namespace name the activator's Service for the cluster itself.
	Service   string `json:"service"`
	Namespace string `json:"namespace"`
	// InternalPort is the Service's port where desktops ask for TURN credentials.
	InternalPort int `json:"internalPort"`
}

// Agent is the program beside each desktop that announces its pod.
type Agent struct {
	// Enabled adds it to desktops' pods.
	Enabled bool `json:"enabled"`
	// Image is the agent's; it must be set where Enabled is.
	Image string `json:"image"`
	// Peers names the headless Service, in the activator's namespace, that has the
	// address of every replica of the activator.
	Peers string `json:"peers"`
}

// Host is the activator's name inside the cluster.
func (a Activator) Host() string { return a.Service + "." + a.Namespace + ".svc.cluster.local" }

// TURN is what browsers and desktops are told about the TURN server.
type TURN struct {
	// URLs are stun:, turn: and turns: URLs. Where it is empty they are made from
	// the nodes that Discovery finds; with neither there is no TURN.
	URLs []string `json:"urls"`
	// Discovery finds coturn's pods.
	Discovery *TURNDiscovery `json:"discovery,omitempty"`
	// CredentialTTL is how long a minted credential works.
	CredentialTTL metav1.Duration `json:"credentialTTL"`
	// ICEPolicy is all or relay.
	ICEPolicy string `json:"icePolicy"`
}

// TURNDiscovery selects coturn's pods; each ready one is announced at its public address,
// by UDP and TCP at Port. That is Address; or what its supervisor says, if AddressPort is
// given; or its node's.
type TURNDiscovery struct {
	Namespace string            `json:"namespace"`
	Selector  map[string]string `json:"selector"`
	Port      int               `json:"port"`
	Address   string            `json:"address,omitempty"`
	// AddressPort is the port of the supervisors' metrics.
	AddressPort int `json:"addressPort,omitempty"`
	// TLS is announced besides, where it is given.
	TLS *TURNSecurely `json:"tls,omitempty"`
}

// TURNSecurely is TURN by TLS, at a name that is in the server's certificate.
type TURNSecurely struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

// Default is what holds where the file says nothing.
func Default() Config {
	d := func(t time.Duration) metav1.Duration { return metav1.Duration{Duration: t} }
	return Config{
		Installation: Installation{Name: "vdi", Namespace: "vdi-system"},
		URL:          URL{Scheme: "https", Routing: RoutingHost},
		Sessions:     lifecycle.Defaults(),
		Knative:      Knative{Enabled: true, Namespace: "knative-serving", ApplyConfig: true},
		Activator:    Activator{Service: "vdi-activator-internal", Namespace: "vdi-system", InternalPort: 8081},
		Agent:        Agent{Peers: "vdi-activator-peers"},
		Limits:       defaultLimits(),
		// Where an ingress in or near the cluster lives: private networks and this machine.
		TrustedProxies: []string{
			"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128"},
		TURN:    TURN{CredentialTTL: d(time.Hour), ICEPolicy: "all"},
		Tracing: Tracing{SamplingRatio: 1},
	}
}

// Load reads and checks the file at path; unknown keys are refused.
func Load(path string) (Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return Parse(raw)
}

// Parse reads and checks a configuration in YAML over the defaults.
func Parse(raw []byte) (Config, error) {
	c := Default()
	if err := yaml.UnmarshalStrict(raw, &c); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	if c.DesktopNetworkPolicy != nil {
		completeNetworkPolicy(c.DesktopNetworkPolicy)
	}
	if errs := c.validate(); len(errs) > 0 {
		return Config{}, fmt.Errorf("configuration: %w", errs.ToAggregate())
	}
	return c, nil
}
