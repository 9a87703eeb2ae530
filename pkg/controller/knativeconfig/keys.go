package knativeconfig

import (
	"maps"
	"slices"
	"strings"
)

const (
	configFeatures   = "config-features"
	configAutoscaler = "config-autoscaler"
)

// requirement is what desktops need of one of Knative's config maps.
type requirement struct {
	// configMap is the config map's name.
	configMap string
	// data is what the keys must be; Knative reads the values without regard to case.
	data map[string]string
}

// requirements are keys of Knative Serving v0.50.0: pkg/apis/config/features.go and
// pkg/autoscaler/config/config.go. docs/knative.md has the reason of each, and of those
// that are left alone: everybody who may create a Knative Service in the cluster gets what
// is switched on here, so nothing is that reaches the node or another container.
var requirements = []requirement{
	{configMap: configFeatures, data: map[string]string{
		// The home.
		"kubernetes.podspec-persistent-volume-claim": "enabled",
		"kubernetes.podspec-persistent-volume-write": "enabled",
		"kubernetes.podspec-securitycontext":         "enabled",
		// /dev/shm, and the agent beside the desktop. Both are Knative's own defaults.
		"kubernetes.podspec-volumes-emptydir": "enabled",
		"multi-container":                     "enabled",
		// What a template's podTemplate places desktops with.
		"kubernetes.podspec-nodeselector":              "enabled",
		"kubernetes.podspec-tolerations":               "enabled",
		"kubernetes.podspec-affinity":                  "enabled",
		"kubernetes.podspec-topologyspreadconstraints": "enabled",
		"kubernetes.podspec-runtimeclassname":          "enabled",
		"kubernetes.podspec-schedulername":             "enabled",
		"kubernetes.podspec-priorityclassname":         "enabled",
		// What a podTemplate prepares a home with, finds a company's servers with, and
		// shows a desktop its node with.
		"kubernetes.podspec-init-containers": "enabled",
		"kubernetes.podspec-dnspolicy":       "enabled",
		"kubernetes.podspec-dnsconfig":       "enabled",
		"kubernetes.podspec-hostaliases":     "enabled",
		"kubernetes.podspec-fieldref":        "enabled",
	}},
	{configMap: configAutoscaler, data: map[string]string{
		// A session is made without starting its desktop.
		"allow-zero-initial-scale": "true",
	}},
}

// keys are in order.
func (r requirement) keys() []string { return slices.Sorted(maps.Keys(r.data)) }

// unmet lists the keys whose values are not as needed, in order.
func (r requirement) unmet(data map[string]string) []string {
	var keys []string
	for _, key := range r.keys() {
		if !strings.EqualFold(data[key], r.data[key]) {
			keys = append(keys, key)
		}
	}
	return keys
}
