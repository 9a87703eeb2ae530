package provider

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/pkg/config"
)

// Whatever a provider says, nobody is signed in by what is no name, or by an address that is not
// theirs.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{`{"email":"ada@example.com","email_verified":true,"groups":["admins"]}`, `{"email":"a","email_verified":false}`,
		`{"email":["a"],"groups":{"a":1}}`, `{"email":" a","groups":"admins"}`, `{"email":"a\u0000","groups":[1,null,"admins"]}`, `{}`, `null`} {
		f.Add(seed)
	}
	p := &Provider{Options: Options{OIDC: config.OIDC{Claims: config.Claims{User: "email", Groups: "groups"}, AllowedGroups: []string{"admins"},
		AdminGroups: []string{"admins"}}}}
	f.Fuzz(func(t *testing.T, raw string) {
		all := claims{}
		if json.Unmarshal([]byte(raw), &all) != nil {
			return
		}
		id, err := p.name(Identity{}, all)
		if err != nil {
			assert.Empty(t, id.User)
			return
		}
		assert.NotEmpty(t, id.User)
		assert.LessOrEqual(t, len(id.User), maxUser)
		assert.False(t, strings.ContainsFunc(id.User, unicode.IsControl))
		assert.NotContains(t, []any{false, "false"}, all[verifiedClaim])
		assert.True(t, id.Admin, "the one group that may come in administers")
	})
}
