package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var twoRoutings = []URL{{Scheme: "https", Routing: RoutingHost, Domain: "vdi.example.com"},
	{Scheme: "https", Routing: RoutingPath, Domain: "vdi.example.com"}}

func TestAnAddressSaysItsSessionOrThatItIsNone(t *testing.T) {
	long := strings.Repeat("n", 63)
	for _, u := range twoRoutings {
		for _, of := range [][2]string{{"team", "ada"}, {"a-b", "a"}, {"1", "a1"}, {long, "ada"}, {long, "a" + strings.Repeat("d", 39)}} {
			namespace, name, ok := u.Parts(u.SessionAddress(of[0], of[1]))
			assert.True(t, ok, of)
			assert.Equal(t, of[1], name)
			assert.True(t, u.Names(namespace, of[0], of[1]), "%s names %s", namespace, of[0])
			assert.False(t, u.Names(namespace, of[0]+"x", of[1]))
			if of[0] == long {
				assert.NotContains(t, namespace, long)
			} else {
				assert.Equal(t, of[0], namespace)
			}
		}
		before, behind := "", ".vdi.example.com"
		if u.ByPath() {
			before, behind = "vdi.example.com/", ""
		}
		for _, l := range []string{"", "ada", "--", "ada--", "--team", "-ada--team", "ada--team-", "Ada--team", "ada--a.b", "1--team",
			"ada--" + long,
			strings.Repeat("a", 41) + "--b", "ada---b", "ada---" + strings.Repeat("1", 20), "ada---" + strings.Repeat("a", 21), "ada----b", "ä--b"} {
			_, _, ok := u.Parts(before + l + behind)
			assert.False(t, ok, l)
		}
		_, _, ok := u.Parts("ada--team.evil.example")
		assert.False(t, ok)
	}
}

func FuzzParts(f *testing.F) {
	f.Add("ada--team.vdi.example.com")
	f.Add("vdi.example.com/ada---aaaaaaaaaaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, address string) {
		for _, u := range twoRoutings {
			if namespace, name, ok := u.Parts(address); ok && u.SessionAddress(namespace, name) != address {
				t.Errorf("%q says %q and %q", address, namespace, name)
			}
		}
	})
}
