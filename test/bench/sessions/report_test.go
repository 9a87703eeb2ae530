package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/org/vdi-operator/test/bench/census"
	"github.com/org/vdi-operator/test/harness"
)

func TestTheLastLineIsJSONAboutOneSession(t *testing.T) {
	kind := func(name string) schema.GroupResource { return schema.GroupResource{Resource: name} }
	var out strings.Builder
	report(&out, map[string]*result{
		nameOurs: {n: 10, took: 5 * time.Second, stored: 100_000, census: census.Tally{kind("secrets"): {Objects: 10, Bytes: 5_000}, kind("services"): {Objects: 30, Bytes: 15_000}},
			programs: map[string]cost{
				harness.Operator:  {before: 1 << 20, after: 2 << 20, making: 50 * time.Millisecond, idle: 30 * time.Millisecond, resting: 40 * time.Millisecond},
				harness.Activator: {before: 1 << 20, after: 1<<20 + 10_240, making: 20 * time.Millisecond},
			}},
		nameKnative: {n: 5, took: 5 * time.Second, census: census.Tally{kind("services"): {Objects: 5, Bytes: 5_000}}},
		nameFloor:   {n: 5, took: time.Second, census: census.Tally{kind("services"): {Objects: 5, Bytes: 2_500}}},
	})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var last summary
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	want := summary{Bench: "sessions", Sessions: 10, Objects: 4, Bytes: 2_000, Stored: 10_000, Rate: 2, OperatorBytes: 104_858, ActivatorBytes: 1_024,
		OperatorMaking: 5, OperatorResting: 1_000, ActivatorMaking: 2, FloorBytes: 500, OverFloor: 4, KnativeBytes: 1_000, OverKnative: 2, RateOverKnative: 2}
	assert.Equal(t, want, last)
	heaviest := strings.Fields(lines[1])
	if len(heaviest) != 3 || heaviest[0] != "services" || heaviest[1] != "3.00" || heaviest[2] != "1500" {
		t.Errorf("the heaviest kind comes first, with its objects and bytes a session; got %v", heaviest)
	}
}

func TestWithoutOthersThereIsNothingToCompareWith(t *testing.T) {
	var out strings.Builder
	report(&out, map[string]*result{nameOurs: {n: 1, took: time.Second}})
	require.NotContains(t, out.String(), "over_")
	assert.NotContains(t, out.String(), "NaN")
}
