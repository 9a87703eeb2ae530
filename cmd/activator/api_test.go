package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/org/vdi-operator/pkg/config"
)

func TestTheActivatorWatchesItsNamespacesAndCoturnsAndNoOther(t *testing.T) {
	ofSession, coturn := labels.Set{"vdi.kasm.io/session": "ada"}, labels.Set{"app": "coturn"}
	for name, c := range map[string]struct {
		namespaces     []string
		sessions, pods []string
		coturn         string // the namespace whose pods are watched without a session
	}{
		"everywhere":               {nil, nil, []string{"", "vdi-system"}, "vdi-system"},
		"in two namespaces":        {[]string{"a", "b"}, []string{"a", "b"}, []string{"a", "b", "vdi-system"}, "vdi-system"},
		"where coturn runs itself": {[]string{"a", "vdi-system"}, []string{"a", "vdi-system"}, []string{"a", "vdi-system"}, "vdi-system"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Namespaces = c.namespaces
			cfg.TURN.Discovery = &config.TURNDiscovery{Namespace: "vdi-system"}
			o, err := cacheOptions(runtime.NewScheme(), cfg)
			require.NoError(t, err)
			assert.Equal(t, c.sessions, slices.Sorted(maps.Keys(o.DefaultNamespaces)), "sessions")
			for _, of := range o.ByObject {
				assert.Equal(t, c.pods, slices.Sorted(maps.Keys(of.Namespaces)), "pods")
				for namespace, one := range of.Namespaces {
					require.True(t, one.LabelSelector.Matches(ofSession))
					assert.Equal(t, namespace == c.coturn, one.LabelSelector.Matches(coturn),
						"pods in %q by %s", namespace, one.LabelSelector)
				}
			}
		})
	}
}
