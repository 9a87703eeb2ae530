package config

import (
	"math"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const maxPort = math.MaxUint16

// validate asks each section; the rules stand beside the sections' types.
func (c *Config) validate() field.ErrorList {
	return slices.Concat(c.Installation.validate(), c.Keys.validate(), c.URL.validate(), c.Auth.validate(c.Portal), c.Portal.validate(c.Namespaces, c.URL),
		c.Sessions.validate(), c.Doze.validate(c.Sessions), c.Limits.validate(),
		c.Tracing.validate(), validateProxies(c.TrustedProxies), c.Passed.validate(), c.TURN.validate(), c.Activator.validate(),
		c.Agent.validate(), c.PrePull.validate(c.Agent.Image), c.Desktops.validate(), c.Knative.validate(), validateNetworkPolicy(c.DesktopNetworkPolicy), validateNamespaces(c.Namespaces))
}

func validateLabel(path *field.Path, value string) field.ErrorList {
	if problems := validation.IsDNS1123Label(value); len(problems) > 0 {
		return field.ErrorList{field.Invalid(path, value, strings.Join(problems, "; "))}
	}
	return nil
}

func validateProxies(networks []string) (errs field.ErrorList) {
	for _, cidr := range networks {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("trustedProxies"), cidr, "must be a network in CIDR notation such as 10.0.0.0/8"))
		}
	}
	return errs
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
