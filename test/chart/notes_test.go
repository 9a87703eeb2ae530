package chart

import (
	"regexp"
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

// Who registers the portal with a provider needs its addresses to the letter.
func TestTheNotesSayWhatToRegisterWithTheIdentityProvider(t *testing.T) {
	vdi := inProcess(t)
	for name, c := range map[string]struct{ set, url string }{
		"nobody signs in":    {"ingress.domain=vdi.example.com", ""},
		"on this computer":   {"auth.oidc.clientID=vdi,auth.oidc.issuer=https://login.example.com", "http://portal.localhost:8080"},
		"TLS at the ingress": {"auth.oidc.clientID=vdi,auth.oidc.issuer=https://login.example.com,ingress.domain=vdi.example.com,url.scheme=https", "https://portal.vdi.example.com"},
		"a host of its own": {"auth.oidc.clientID=vdi,auth.oidc.issuer=https://login.example.com,portal.host=my.example.com,ingress.domain=vdi.example.com," +
			"url.scheme=https,url.port=8443,url.routing=path", "https://my.example.com:8443"},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := strvals.Parse(c.set + ",auth.oidc.existingSecret=a-secret")
			require.NoError(t, err)
			files, err := vdi(values)
			require.NoError(t, err)
			notes := files["vdi-operator/templates/NOTES.txt"]
			require.Contains(t, notes, "1. Check that it runs")
			assert.NotContains(t, notes, "a-secret")
			if c.url == "" {
				assert.NotContains(t, notes, "sign in")
				return
			}
			assert.Contains(t, notes, "People sign in and find their desktops at "+c.url+"/\n")
			assert.Regexp(t, `redirect URI +`+regexp.QuoteMeta(c.url)+`/callback\n`, notes)
			assert.Regexp(t, `redirect URI after sign-out +`+regexp.QuoteMeta(c.url)+`/signed-out\n`, notes)
		})
	}
}
