package chart

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/strvals"
)

// Links open desktops, so whoever installs hears when they go over the network as they are.
func TestTheNotesWarnOfLinksWithoutTLS(t *testing.T) {
	vdi := inProcess(t)
	for name, c := range map[string]struct {
		set  string
		warn bool
	}{
		"on this computer":               {"ingress.domain=localhost", false},
		"on this computer, below a name": {"ingress.domain=vdi.localhost", false},
		"on a network":                   {"ingress.domain=vdi.example.com", true},
		"TLS that somebody else ends":    {"ingress.domain=vdi.example.com,url.scheme=https", false},
		"TLS at the ingress":             {"ingress.domain=vdi.example.com,ingress.enabled=true,ingress.tls.secretName=wild", false},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := strvals.Parse(c.set)
			require.NoError(t, err)
			files, err := vdi(values)
			require.NoError(t, err)
			notes := files["vdi-operator/templates/NOTES.txt"]
			require.Contains(t, notes, "1. Check that it runs")
			assert.Equal(t, c.warn, strings.Contains(notes, "WARNING: sessions' URLs begin with http."))
		})
	}
}
