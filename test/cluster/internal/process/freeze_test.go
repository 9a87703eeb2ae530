package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAFrozenProgramStandsStillAndGoesOn(t *testing.T) {
	s := supervisor(t)
	spec := sleeper(t, "1000")
	r := ensure(t, s, spec, true)
	expect := func(frozen bool) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			_, state, err := startTicks(r.PID)
			require.NoError(c, err)
			assert.Equal(c, frozen, state == 'T', "its state is %c", state)
		}, time.Minute, pollInterval)
	}
	for _, step := range []struct {
		do     func() error
		frozen bool
	}{{r.Freeze, true}, {r.Thaw, false}, {r.Thaw, false}, {r.Freeze, true}} {
		require.NoError(t, step.do())
		expect(step.frozen)
	}
	// A frozen program ends like any other.
	require.NoError(t, s.Table.End(spec.Name, 50*time.Millisecond))
	assert.Error(t, r.Freeze(), "a program that has ended was frozen")
}
