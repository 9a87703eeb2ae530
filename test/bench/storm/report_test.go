package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/test/bench/figure"
)

func TestTheLastLineIsJSONWithTheRatio(t *testing.T) {
	var out strings.Builder
	report(&out, 100, map[string]time.Duration{nameOurs: 1234 * time.Millisecond, nameKnative: 10 * time.Second})
	assert.JSONEq(t, `{"bench":"storm","wakes":100,"ours_s":1.23,"knative_s":10,"storm_over_knative":0.12}`, figure.Last(out.String()))
}
