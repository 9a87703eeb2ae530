package knativeconfig

import (
	"slices"
	"strings"
)

const (
	configFeatures   = "config-features"
	configAutoscaler = "config-autoscaler"
)

// requirement is what desktops need of one of Knative's config maps.
type requirement struct {
	name string
	// data is what the keys must be; Knative reads the values without regard to case.
	data map[string]string
}

// requirements are keys of Knative Serving v0.50.0: pkg/apis/config/features.go and
// pkg/autoscaler/config/config.go.
var requirements = []requirement{
	{name: configFeatures, data: map[string]string{
		// The home.
		"kubernetes.podspec-persistent-volume-claim": "enabled",
		"kubernetes.podspec-persistent-volume-write": "enabled",
		"kubernetes.podspec-securitycontext":         "enabled",
		"kubernetes.podspec-volumes-emptydir":        "enabled",
		// What a template's podTemplate places desktops with.
		"kubernetes.podspec-nodeselector":              "enabled",
		"kubernetes.podspec-tolerations":               "enabled",
		"kubernetes.podspec-affinity":                  "enabled",
		"kubernetes.podspec-topologyspreadconstraints": "enabled",
		"kubernetes.podspec-runtimeclassname":          "enabled",
		"kubernetes.podspec-schedulername":             "enabled",
		"kubernetes.podspec-priorityclassname":         "enabled",
	}},
	{name: configAutoscaler, data: map[string]string{
		// A session is made without starting its desktop.
		"allow-zero-initial-scale": "true",
	}},
}

func requirementOf(name string) (requirement, bool) {
	i := slices.IndexFunc(requirements, func(r requirement) bool { return r.name == name })
	if i < 0 {
		return requirement{}, false
	}
	return requirements[i], true
}

// unmet lists the keys whose values are not as needed, in order.
func (r requirement) unmet(data map[string]string) []string {
	var keys []string
	for key, value := range r.data {
		if !strings.EqualFold(data[key], value) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// apply is what to claim: every key but those that stand as needed in another
// spelling, and those that are given up.
func (r requirement) apply(data map[string]string, without []string) map[string]string {
	claim := make(map[string]string, len(r.data))
	for key, value := range r.data {
		spelledOtherwise := data[key] != value && strings.EqualFold(data[key], value)
		if !spelledOtherwise && !slices.Contains(without, key) {
			claim[key] = value
		}
	}
	return claim
}
