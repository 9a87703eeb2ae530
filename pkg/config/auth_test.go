package config

import (
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
