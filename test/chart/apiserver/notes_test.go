//go:build integration

package apiserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/test/docs"
	"github.com/org/vdi-operator/test/helm"
)

func TestTheNotesTellWhatHoldsHere(t *testing.T) {
	r := inNamespace(t, "enforcing")
	namespace := &corev1.Namespace{}
	require.NoError(t, admin.Get(t.Context(), client.ObjectKey{Name: r.Namespace}, namespace))
	namespace.Labels["pod-security.kubernetes.io/enforce"] = "baseline"
	require.NoError(t, admin.Update(t.Context(), namespace))
	const http, security, hook = "URLs begin with http", "enforces the Pod Security level baseline", "the log of Job\nvdi-uninstall"
	for name, c := range map[string]struct {
		set          string
		tells, keeps []string
	}{
		"a public domain by http":       {"ingress.enabled=true,ingress.domain=vdi.example.com", []string{http, security, hook}, nil},
		"by https":                      {"ingress.enabled=true,ingress.domain=vdi.example.com,ingress.tls.secretName=x", []string{hook}, []string{http}},
		"this computer":                 {"ingress.domain=vdi.localhost", []string{hook}, []string{http}},
		"coturn in the pods' network":   {"coturn.hostNetwork=false,turn.urls={turn:turn.example.com}", []string{hook}, []string{security}},
		"an uninstall without its hook": {"uninstall.enabled=false", []string{"by hand, https://github.com/org/vdi-operator/blob/main/docs/uninstall.md"}, []string{hook}},
		"no coturn":                     {"coturn.enabled=false", []string{hook}, []string{security}},
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
	notes, err := r.Helm(t.Context(), append([]string{"install", r.Name, helm.Chart, "--dry-run=server"}, ours...)...)
	require.NoError(t, err)
	assert.Contains(t, docs.Printed(notes), "     kubectl label namespace enforcing pod-security.kubernetes.io/enforce=privileged --overwrite\n")
}
