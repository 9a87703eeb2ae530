package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/pkg/config"
)

func TestEachNamespaceHasACacheOfItsOwnAndCoturnsPodsHaveOne(t *testing.T) {
	for name, c := range map[string]struct {
		namespaces []string
		coturn     string
		spaces     int
		shared     bool
	}{
		"everywhere":               {coturn: "vdi-system", spaces: 1, shared: true},
		"in two":                   {namespaces: []string{"a", "b"}, coturn: "vdi-system", spaces: 2},
		"where coturn runs itself": {namespaces: []string{"a", "vdi-system"}, coturn: "vdi-system", spaces: 2, shared: true},
		"without coturn":           {namespaces: []string{"a"}, spaces: 1},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Namespaces = c.namespaces
			if c.coturn != "" {
				cfg.TURN.Discovery = &config.TURNDiscovery{Namespace: c.coturn}
			}
			shared := false
			all := apart(cfg)
			for _, one := range all {
				shared = shared || one.TURN.Discovery != nil
				assert.LessOrEqual(t, len(one.Namespaces), 1)
			}
			assert.Len(t, all, c.spaces)
			assert.Equal(t, c.shared, shared, "coturn's pods are in a namespace of sessions")
		})
	}
}
