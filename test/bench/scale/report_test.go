package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/bench/census"
	"github.com/org/vdi-operator/test/bench/figure"
)

func TestTheLastLineIsJSONAboutASessionAndTheWakes(t *testing.T) {
	var out strings.Builder
	report(&out, result{sessions: 100, made: 4 * time.Second,
		census:   census.Tally{{Resource: "secrets"}: {Objects: 100, Bytes: 150_000}, {Resource: "deployments", Group: "apps"}: {Objects: 200, Bytes: 600_000}},
		operator: cost{resting: 60 << 20, after: 80 << 20, peak: 90 << 20}, activator: cost{resting: 40 << 20},
		writes: 0, wake: 87 * time.Millisecond, edit: 3 * time.Second, storm: 1234 * time.Millisecond})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.JSONEq(t, `{"bench":"scale","sessions":100,"objects_each":3,"bytes_each":7500,"made_per_second":25,"operator_mib":60,"activator_mib":40,
		"idle_writes_per_min":0,"wake_during_edit_ms":87,"edit_s":3,"storm_200_s":1.23}`, figure.Last(out.String()))
	assert.Equal(t, []string{"deployments.apps", "2.00", "6000"}, strings.Fields(lines[1]), "the heaviest kind comes first")
}

func TestWhatCannotBeMeasuredIsRefused(t *testing.T) {
	fine := options{sessions: 10, storm: 5, quiet: time.Second}
	require.NoError(t, fine.check())
	for _, change := range []func(*options){
		func(o *options) { o.storm = 0 }, func(o *options) { o.sessions = 5 }, func(o *options) { o.quiet = 0 }, func(o *options) { o.settling = -1 },
	} {
		o := fine
		change(&o)
		assert.ErrorContains(t, o.check(), "must be")
	}
}
