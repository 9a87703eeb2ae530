package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const portal = "portal: {host: portal.vdi.example.com, service: vdi-portal, namespace: vdi-system, port: 8080, internalPort: 8081"

func TestThePortalKnowsWhereAndHowManyDesktopsPeopleStart(t *testing.T) {
	c, err := Parse([]byte(least + portal + "}"))
	require.NoError(t, err)
	assert.Equal(t, 5, c.Portal.MaxSessionsPerUser)
	assert.Empty(t, c.Portal.SessionsNamespace, "people start none unless it is said where")
	c, err = Parse([]byte(least + portal + ", sessionsNamespace: desks, maxSessionsPerUser: 2}\nnamespaces: [desks]"))
	require.NoError(t, err)
	assert.Equal(t, "desks", c.Portal.SessionsNamespace)
	assert.Equal(t, 2, c.Portal.MaxSessionsPerUser)
	for wrong, says := range map[string]string{
		", maxSessionsPerUser: 0}":                         "portal.maxSessionsPerUser: Invalid value: 0: must be between 1 and 1000",
		", maxSessionsPerUser: 1001}":                      "portal.maxSessionsPerUser: Invalid value: 1001",
		", sessionsNamespace: Desks}":                      "portal.sessionsNamespace: Invalid value: \"Desks\"",
		", sessionsNamespace: other}\nnamespaces: [desks]": "portal.sessionsNamespace: Invalid value: \"other\": must be one of namespaces",
		", sessions: desks}":                               "unknown field",
	} {
		_, err := Parse([]byte(least + portal + wrong))
		assert.ErrorContains(t, err, says, wrong)
	}
}

// signIn is a configuration with sign-in at a provider, and more of auth.
func signIn(oidc, more string) string {
	return `url: {domain: vdi.example.com}
portal: {host: portal.vdi.example.com, service: vdi-portal, namespace: vdi-system, port: 8080, internalPort: 8081}
auth:
  oidc: {` + oidc + `}
` + more
}

func TestAProviderIsReadOverItsDefaults(t *testing.T) {
	c, err := Parse([]byte(signIn("issuer: https://login.example.com, clientID: vdi, claims: {user: sub}", "")))
	require.NoError(t, err)
	want := DefaultOIDC()
	want.Issuer, want.ClientID, want.Claims.User = "https://login.example.com", "vdi", "sub"
	assert.Equal(t, &want, c.Auth.OIDC)
	assert.True(t, c.Auth.Links)
	assert.Equal(t, "http://vdi-portal.vdi-system.svc.cluster.local:8081", c.Portal.Address(true))
}

func TestWaysInThatCannotWorkAreRefused(t *testing.T) {
	good := "issuer: https://login.example.com, clientID: vdi"
	for name, c := range map[string]struct{ config, field string }{
		"nobody could come in":      {"url: {domain: a.example}\nauth: {links: false}", "auth: Required"},
		"no portal":                 {"url: {domain: a.example}\nauth: {oidc: {" + good + "}}", "portal: Required"},
		"no client":                 {signIn("issuer: https://login.example.com", ""), "auth.oidc.clientID"},
		"no URL":                    {signIn("issuer: login.example.com, clientID: vdi", ""), "auth.oidc.issuer"},
		"http for all to read":      {signIn("issuer: http://login.example.com, clientID: vdi", ""), "must be https"},
		"a query":                   {signIn("issuer: 'https://login.example.com?a=b', clientID: vdi", ""), "no query"},
		"an unknown key":            {signIn(good+", clientSecret: x", ""), "clientSecret"},
		"asked every moment":        {signIn(good+", recheckEvery: 1s", ""), "auth.oidc.recheckEvery"},
		"a sign-in for ever":        {signIn(good+", signInFor: 8760h", ""), "auth.oidc.signInFor"},
		"nobody confirms it":        {signIn(good+", unconfirmedFor: 1m", ""), "auth.oidc.unconfirmedFor"},
		"groups that nobody reads":  {signIn(good, "  issuers: [{url: 'https://a.example', audience: a, claims: {user: sub, groups: g}}]"), "groups"},
		"keys replaced every hour":  {"url: {domain: a.example}\nkeys: {rotateEvery: 1h}", "keys.rotateEvery: Invalid value: \"1h0m0s\""},
		"two scopes in one":         {signIn(good+", scopes: ['a b']", ""), "auth.oidc.scopes[0]"},
		"whoever says so":           {signIn(good, "  forwarded: {userHeader: X-User}"), "auth.forwarded.from"},
		"a proxy that is everybody": {signIn(good, "  forwarded: {userHeader: X-User, from: [0.0.0.0/0]}"), "auth.forwarded.from[0]"},
		"a field that is ours":      {signIn(good, "  forwarded: {userHeader: Cookie, from: [10.0.0.0/8]}"), "auth.forwarded.userHeader"},
		"tokens for somebody else":  {signIn(good, "  issuers: [{url: 'https://a.example', claims: {user: sub}}]"), "auth.issuers[0].audience"},
		"the host of all sessions": {strings.Replace(signIn(good, "  links: true\n"), "domain: vdi.example.com", "routing: path, domain: portal.vdi.example.com", 1),
			"portal.host"},
		"a session's host": {strings.Replace(signIn(good, ""), "portal.vdi", "a--b.vdi", 1), "portal.host"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.config))
			assert.ErrorContains(t, err, c.field)
		})
	}
	for _, issuer := range []string{"http://localhost:8081", "http://provider.localhost:8081", "http://10.0.0.1:30081", "https://[2001:db8::1]/realms/a"} {
		_, err := Parse([]byte(signIn("clientID: vdi, issuer: '"+issuer+"'", "")))
		assert.NoError(t, err, issuer)
	}
}
