//go:build integration

package apiserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/helm"
)

func TestTheNotesTellWhatHoldsHere(t *testing.T) {
	r := inNamespace(t, "noted")
	const http, hook = "URLs begin with http", "the log of Job\nvdi-uninstall"
	for name, c := range map[string]struct {
		set          string
		tells, keeps []string
	}{
		"a public domain by http":       {"ingress.enabled=true,ingress.domain=vdi.example.com", []string{http, hook}, nil},
		"by https":                      {"ingress.enabled=true,ingress.domain=vdi.example.com,ingress.tls.secretName=x", []string{hook}, []string{http}},
		"this computer":                 {"ingress.domain=vdi.localhost", []string{hook}, []string{http}},
		"an uninstall without its hook": {"uninstall.enabled=false", []string{"by hand, https://github.com/org/vdi-operator/blob/main/docs/uninstall.md"}, []string{hook}},
	} {
		t.Run(name, func(t *testing.T) {
			notes, err := r.Helm(t.Context(), append([]string{"install", r.Name, helm.Chart, "--dry-run=server",
				"--set", "admissionPolicy.enabled=false," + c.set}, ours...)...)
			require.NoError(t, err)
			for _, text := range c.tells {
				assert.Contains(t, notes, text)
			}
			for _, text := range c.keeps {
				assert.NotContains(t, notes, text)
			}
		})
	}
}
