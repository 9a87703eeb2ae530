package chart

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// checksum is the configuration's, which has names in it.
var checksum = regexp.MustCompile(`checksum/config: \w+`)

func TestFullnameOverrideRenamesEveryObjectAndChangesNothingElse(t *testing.T) {
	const name = "zebra"
	all := strings.Join(append(peopleSignIn, "prePull.enabled=true"), ",")
	defaults, renamed := rendered(t, "--set", all), rendered(t, "--set", all+",fullnameOverride="+name)
	for _, o := range renamed {
		// The template's name is its users'.
		assert.False(t, !strings.Contains(o.name, name) && o.kind != "VDITemplate", "%s %s has another name", o.kind, o.name)
	}
	plain := func(all []object) string {
		return checksum.ReplaceAllString(inFull(all), "checksum/config: OF-ITS-OWN")
	}
	want, got := plain(defaults), strings.ReplaceAll(plain(renamed), name, release.Name)
	assert.Equal(t, want, got, "the default (-) and the renamed (+) differ:\n%s", hunks(lines(want), lines(got), 3))
}
