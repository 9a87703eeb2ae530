package config

import (
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (c *Config) validate() field.ErrorList {
	var errs field.ErrorList
	bad := func(value any, why string, path ...string) {
		errs = append(errs, field.Invalid(field.NewPath(path[0], path[1:]...), value, why))
	}
	for name, value := range map[string]string{"name": c.Installation.Name, "namespace": c.Installation.Namespace} {
		if problems := validation.IsDNS1123Label(value); len(problems) > 0 {
			bad(value, strings.Join(problems, "; "), "installation", name)
		}
	}
	if s := c.URL.Scheme; s != "http" && s != "https" {
		bad(s, "must be http or https", "url", "scheme")
	}
	if r := c.URL.Routing; r != RoutingHost && r != RoutingPath {
		bad(r, "must be host or path", "url", "routing")
	}
	if problems := validation.IsDNS1123Subdomain(c.URL.Domain); len(problems) > 0 {
		bad(c.URL.Domain, "must be a bare domain such as vdi.example.com, without scheme, port or wildcard", "url", "domain")
	}
	if p := c.URL.Port; p < 0 || p > 65535 {
		bad(p, "must be between 1 and 65535, or 0 for the scheme's own", "url", "port")
	}
	errs = append(errs, validateSessions(c.Sessions)...)
	errs = append(errs, c.Limits.validate()...)
	errs = append(errs, c.Tracing.validate()...)
	for _, cidr := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			bad(cidr, "must be a network in CIDR notation such as 10.0.0.0/8", "trustedProxies")
		}
	}
	if d := c.TURN.CredentialTTL.Duration; d <= 0 {
		bad(d.String(), "must be above 0s", "turn", "credentialTTL")
	}
	for _, u := range c.TURN.URLs {
		if !strings.HasPrefix(u, "turn:") && !strings.HasPrefix(u, "turns:") && !strings.HasPrefix(u, "stun:") && !strings.HasPrefix(u, "stuns:") {
			bad(u, "must begin with turn:, turns:, stun: or stuns:", "turn", "urls")
		}
	}
	if p := c.TURN.ICEPolicy; p != "all" && p != "relay" {
		bad(p, "must be all or relay", "turn", "icePolicy")
	}
	if d := c.TURN.Discovery; d != nil {
		if d.Port < 1 || d.Port > 65535 {
			bad(d.Port, "must be between 1 and 65535", "turn", "discovery", "port")
		}
		if d.Namespace == "" {
			bad(d.Namespace, "must be the namespace that coturn runs in", "turn", "discovery", "namespace")
		}
		if len(d.Selector) == 0 {
			bad(d.Selector, "must hold the labels of coturn's pods", "turn", "discovery", "selector")
		}
		if _, err := netip.ParseAddr(d.Address); d.Address != "" && err != nil {
			bad(d.Address, "must be an IP address", "turn", "discovery", "address")
		}
		if d.AddressPort < 0 || d.AddressPort > 65535 {
			bad(d.AddressPort, "must be between 1 and 65535, or 0 for none", "turn", "discovery", "addressPort")
		}
		if t := d.TLS; t != nil && (t.Host == "" || t.Port < 1 || t.Port > 65535) {
			bad(*t, "must have a host that is in the certificate, and a port between 1 and 65535", "turn", "discovery", "tls")
		}
	}
	for name, value := range map[string]string{"service": c.Activator.Service, "namespace": c.Activator.Namespace} {
		if problems := validation.IsDNS1123Label(value); len(problems) > 0 {
			bad(value, strings.Join(problems, "; "), "activator", name)
		}
	}
	if c.Agent.Enabled && c.Agent.Image == "" {
		bad("", "must be the agent's image; or set agent.enabled to false", "agent", "image")
	}
	if problems := validation.IsDNS1123Label(c.Agent.Peers); len(problems) > 0 {
		bad(c.Agent.Peers, strings.Join(problems, "; "), "agent", "peers")
	}
	if problems := validation.IsDNS1123Label(c.Knative.Namespace); c.Knative.Enabled && len(problems) > 0 {
		bad(c.Knative.Namespace, strings.Join(problems, "; "), "knative", "namespace")
	}
	if p := c.DesktopNetworkPolicy; p != nil {
		errs = append(errs, validateNetworkPolicy(p)...)
	}
	return append(errs, validateNamespaces(c.Namespaces)...)
}

func validateNamespaces(names []string) field.ErrorList {
	var errs field.ErrorList
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		path := field.NewPath("namespaces").Index(i)
		switch problems := validation.IsDNS1123Label(name); {
		case len(problems) > 0:
			errs = append(errs, field.Invalid(path, name, "must be the name of a namespace, or the list be empty for all: "+strings.Join(problems, "; ")))
		case seen[name]:
			errs = append(errs, field.Invalid(path, name, "is in the list twice; name each namespace once"))
		}
		seen[name] = true
	}
	return errs
}
