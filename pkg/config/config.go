// Package config is what an installation sets once for all its sessions: one YAML
// file, written by the chart, read by the operator and the activator.
//
// It promises that what it returns is complete and valid; every error names the
// field, the value and the remedy.
package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Config is the file's content.
type Config struct {
	// Installation distinguishes this installation from others in the cluster.
	Installation Installation `json:"installation"`
	// Keys are the Secrets with the installation's keys.
	Keys Keys `json:"keys"`
	// URL is how sessions are addressed from outside.
	URL URL `json:"url"`
	// Auth is how people and programs prove who they are.
	Auth Auth `json:"auth"`
	// Portal is where people sign in; nil where there is none.
	Portal *Portal `json:"portal,omitempty"`
	// Sessions are what holds for sessions whose template and spec say nothing.
	Sessions Sessions `json:"sessions"`
	// Doze is whether desktops may be frozen in their pods.
	Doze Doze `json:"doze"`
	// Knative says whether desktops run on Knative Serving, and where that lives.
	Knative Knative `json:"knative"`
	// Namespaces are those whose sessions are this installation's; empty is all.
	Namespaces []string `json:"namespaces"`
	// DesktopNetworkPolicy says who may reach desktops and what they may reach, in every
	// namespace with sessions; without it they are as open as the cluster leaves them.
	DesktopNetworkPolicy *networkingv1.NetworkPolicySpec `json:"desktopNetworkPolicy,omitempty"`
	// Desktops is what holds for every desktop's pod.
	Desktops Desktops `json:"desktops"`
	// Activator says where desktops and Knative find the activator.
	Activator Activator `json:"activator"`
	// Agent is what runs beside each desktop.
	Agent Agent `json:"agent"`
	// PrePull keeps templates' images on the nodes that may run them.
	PrePull PrePull `json:"prePull"`
	// Limits bound what visitors can make the activator keep.
	Limits Limits `json:"limits"`
	// TrustedProxies are the networks, in CIDR notation, whose X-Forwarded-For is
	// believed. A client that comes from one without a header stands for many people.
	TrustedProxies []string `json:"trustedProxies"`
	// Passed are credentials of others that desktops get all the same.
	Passed Passed `json:"passed"`
	// TURN is what browsers and desktops get to know of the TURN server.
	TURN TURN `json:"turn"`
	// Audit is the record of who did what.
	Audit Audit `json:"audit"`
	// Tracing is where the trace of each wake is sent.
	Tracing Tracing `json:"tracing"`
}

// Installation distinguishes this installation from others in the cluster: whose keys those
// of Knative's configuration are, and where the operator reports its conditions.
type Installation struct {
	// Name begins the names of the installation's objects: the chart's fullname.
	Name string `json:"name"`
	// Namespace is the one that it is installed in.
	Namespace string `json:"namespace"`
}

// String is the installation's name in the cluster, such as vdi-system/vdi.
func (i Installation) String() string { return i.Namespace + "/" + i.Name }

func (i Installation) validate() field.ErrorList {
	path := field.NewPath("installation")
	return append(validateLabel(path.Child("name"), i.Name), validateLabel(path.Child("namespace"), i.Namespace)...)
}

// Audit is the record of who did what, on each program's standard output.
type Audit struct {
	Enabled bool `json:"enabled"`
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

func (k Knative) validate() field.ErrorList {
	if !k.Enabled {
		return nil
	}
	return validateLabel(field.NewPath("knative", "namespace"), k.Namespace)
}

// Activator says where desktops and Knative find the activator.
type Activator struct {
	// Service and Namespace name the activator's Service for the cluster itself.
	Service   string `json:"service"`
	Namespace string `json:"namespace"`
	// InternalPort is the Service's port where desktops ask for TURN credentials.
	InternalPort int `json:"internalPort"`
}

func (a Activator) validate() field.ErrorList {
	path := field.NewPath("activator")
	return append(validateLabel(path.Child("service"), a.Service), validateLabel(path.Child("namespace"), a.Namespace)...)
}

// Passed are names of cookies and of header fields that reach desktops, beside the cookies
// that a desktop itself has set; * at the end of a name stands for any end.
type Passed struct {
	Cookies []string `json:"cookies"`
	Headers []string `json:"headers"`
}

func (p Passed) validate() (errs field.ErrorList) {
	for list, names := range map[string][]string{"cookies": p.Cookies, "headers": p.Headers} {
		for i, name := range names {
			if bare := strings.TrimSuffix(name, "*"); strings.Contains(bare, "*") || !httpguts.ValidHeaderFieldName(bare) && name != "*" {
				errs = append(errs, field.Invalid(field.NewPath("passed", list).Index(i), name, "must be a name, with * at its end for any end of it"))
			}
		}
	}
	return errs
}

// Host is the activator's name inside the cluster.
func (a Activator) Host() string { return a.Service + "." + a.Namespace + ".svc.cluster.local" }

// Default is what holds where the file says nothing.
func Default() Config {
	return Config{
		Installation: Installation{Name: "vdi", Namespace: "vdi-system"},
		Keys: Keys{Signing: Key{Secret: "vdi-signing-key", Make: true}, TURN: Key{Secret: "vdi-turn", Make: true},
			Visits: Key{Secret: "vdi-visits", Make: true}, Portal: Key{Secret: "vdi-portal"},
			RotateEvery: metav1.Duration{Duration: 30 * 24 * time.Hour}},
		URL:       URL{Scheme: "https", Routing: RoutingHost},
		Auth:      Auth{Links: true},
		Audit:     Audit{Enabled: true},
		Sessions:  Sessions{Lifecycle: lifecycle.Defaults(), KeepWorkloadFor: metav1.Duration{Duration: 24 * time.Hour}},
		Knative:   Knative{Enabled: true, Namespace: "knative-serving", ApplyConfig: true},
		Desktops:  Desktops{ProtectFromEviction: true, NodeLossTolerationSeconds: 60, PodSecurityContext: desktopPodSecurity()},
		Activator: Activator{Service: "vdi-activator-internal", Namespace: "vdi-system", InternalPort: 8081},
		Agent:     Agent{Peers: "vdi-activator-peers", Resources: agentResources(), SecurityContext: agentSecurity()},
		Doze:      Doze{MemoryPressure: defaultMemoryPressure},
		PrePull:   PrePull{ServiceAccount: "vdi-prepull", MaxUnavailable: intstr.FromString("25%"), Resources: prePullResources()},
		Limits:    defaultLimits(),
		// Where an ingress in or near the cluster lives: private networks and this machine.
		TrustedProxies: []string{
			"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128"},
		TURN:    TURN{CredentialTTL: metav1.Duration{Duration: time.Hour}, ICEPolicy: "all"},
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
	// Read as a whole: a limit may be left out, and a user.
	c.Agent.Resources, c.Agent.SecurityContext, c.Desktops.PodSecurityContext = corev1.ResourceRequirements{}, nil, nil
	c.PrePull.Resources = corev1.ResourceRequirements{}
	if err := yaml.UnmarshalStrict(raw, &c); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	if c.Agent.Resources.Requests == nil && c.Agent.Resources.Limits == nil {
		c.Agent.Resources = agentResources()
	}
	if c.PrePull.Resources.Requests == nil && c.PrePull.Resources.Limits == nil {
		c.PrePull.Resources = prePullResources()
	}
	c.Agent.SecurityContext = cmp.Or(c.Agent.SecurityContext, agentSecurity())
	c.Desktops.PodSecurityContext = cmp.Or(c.Desktops.PodSecurityContext, desktopPodSecurity())
	for i, url := range c.TURN.URLs {
		c.TURN.URLs[i] = strings.ToLower(url) // it means the same (RFC 7065, section 3.1), and not all who read it know
	}
	if c.DesktopNetworkPolicy != nil {
		completeNetworkPolicy(c.DesktopNetworkPolicy)
	}
	if errs := c.validate(); len(errs) > 0 {
		return Config{}, fmt.Errorf("configuration: %w", errs.ToAggregate())
	}
	return c, nil
}

// unmarshalStrict is for types that read themselves over their defaults.
func unmarshalStrict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
