package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/bench/figure"
)

func TestALostRepeatedOrSwappedMessageIsCounted(t *testing.T) {
	cut := errors.New("cut off")
	for name, c := range map[string]struct {
		heard []int
		err   error
		want  verdict
	}{
		"all is well":               {[]int{0, 1, 2, 3}, nil, verdict{Served: 1}},
		"one is lost":               {[]int{0, 2, 3}, nil, verdict{Served: 1, Lost: 1}},
		"two are swapped":           {[]int{0, 2, 1, 3}, nil, verdict{Served: 1, Reordered: 1}},
		"one comes twice":           {[]int{0, 1, 2, 2, 3}, nil, verdict{Served: 1, Duplicated: 1}},
		"all is played twice":       {[]int{0, 1, 2, 0, 1, 2, 3}, nil, verdict{Served: 1, Duplicated: 3}},
		"the viewer was turned off": {nil, cut, verdict{Lost: 3}},
		"it was cut off":            {[]int{0, 1}, cut, verdict{Lost: 1}},
		"nobody said that":          {[]int{0, 1, 2, 9, 3}, nil, verdict{Served: 1, Duplicated: 1}},
	} {
		var got verdict
		if got.add(c.heard, 3, c.err); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestAMessageIsKnownAgain(t *testing.T) {
	for i := 1; i < 10; i++ {
		got, err := number(string(message(i)))
		require.Equal(t, i, got)
		assert.NoError(t, err, "message %d came back as %d, %v", i, got, err)
	}
	i, err := number(hello)
	require.Equal(t, 0, i)
	assert.NoError(t, err, "the HELLO")
	_, err = number("ERROR")
	assert.Error(t, err, "an error passed as an answer")
}

func TestTheLastLineIsAboutTheLargestNumber(t *testing.T) {
	var out strings.Builder
	report(&out, []row{
		{Name: nameOurs, Held: 10, PerHeld: 9}, {Name: nameFloor, Held: 10, PerHeld: 9}, {Name: nameKnative, Held: 10, PerHeld: 9},
		{Name: nameOurs, Held: 100, PerHeld: 12000, CPU: 20 * time.Millisecond, Replay: time.Second, verdict: verdict{Served: 100}},
		{Name: nameFloor, Held: 100, PerHeld: 8000},
		{Name: nameKnative, Held: 100, PerHeld: 48000, Resident: 700 << 20, verdict: verdict{Served: 90, Lost: 10}},
	})
	var last map[string]any
	require.NoError(t, figure.Read(out.String(), &last))
	for field, want := range map[string]any{"bench": "hold", "held": 100.0, "bytes_per_held": 12000.0, "over_floor": 1.5, "over_knative": 0.25,
		"cpu_ms_per_1000_min": 20.0, "replay_last_ms": 1000.0, "lost": 0.0, "knative_lost": 10.0} {
		assert.False(t, last[field] != want, "%s = %v, want %v", field, last[field], want)
	}
	assert.Contains(t, out.String(), "memory limit of 600 MiB", "it does not say that Knative's activator would not have lived")
}
