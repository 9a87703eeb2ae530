package main

import (
	"maps"
	"slices"
	"testing"

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
			if err != nil {
				t.Fatal(err)
			}
			if have := slices.Sorted(maps.Keys(o.DefaultNamespaces)); !slices.Equal(have, c.sessions) {
				t.Errorf("sessions in %q, want %q", have, c.sessions)
			}
			for _, of := range o.ByObject {
				if have := slices.Sorted(maps.Keys(of.Namespaces)); !slices.Equal(have, c.pods) {
					t.Errorf("pods in %q, want %q", have, c.pods)
				}
				for namespace, one := range of.Namespaces {
					if !one.LabelSelector.Matches(ofSession) || one.LabelSelector.Matches(coturn) != (namespace == c.coturn) {
						t.Errorf("pods in %q by %s", namespace, one.LabelSelector)
					}
				}
			}
		})
	}
}
