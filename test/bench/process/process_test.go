package process

import (
	"bufio"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAProcessKnowsItsCostAndItsChildren(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	// It works a little, has a child, says so and waits.
	p, err := Start(t.Context(), nil, "sh", "-c", fmt.Sprintf("i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; sleep 600 & trap \"kill $!\" TERM; echo $! >/proc/%d/fd/%d; wait", os.Getpid(), w.Fd()))
	require.NoError(t, err)
	defer p.End()
	_, err = bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	rss, err := p.Resident()
	require.NoError(t, err)
	assert.False(t, rss <= 0, "resident %d", rss)
	cpu, err := p.CPU()
	require.NoError(t, err)
	assert.False(t, cpu <= 0, "processor time %s", cpu)
	children, err := p.Children()
	require.NoError(t, err)
	assert.Len(t, children, 1, "children; want one")
}

func TestAProcessThatEndedHasNoCost(t *testing.T) {
	p, err := Start(t.Context(), nil, "sh", "-c", "exec sleep 600")
	require.NoError(t, err)
	p.End()
	_, err = p.CPU()
	assert.Error(t, err, "it still has processor time")
	_, err = p.Resident()
	assert.Error(t, err, "it still has memory")
	_, err = p.Peak()
	assert.Error(t, err, "it still has a peak")
}

func TestAPeakIsRememberedUntilItIsForgotten(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	// It has 32 MiB of memory for a moment, says so and waits: as itself, for a process has
	// no memory to read while it becomes another program.
	p, err := Start(t.Context(), nil, "bash", "-c",
		fmt.Sprintf("printf -v big %%33554432s x; unset big; sleep 600 & trap \"kill $!\" TERM; echo >/proc/%d/fd/%d; wait", os.Getpid(), w.Fd()))
	require.NoError(t, err)
	defer p.End()
	_, err = bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	now, err := p.Resident()
	require.NoError(t, err)
	peak, err := p.Peak()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, peak, now)
	require.NoError(t, p.ForgetPeak())
	after, err := p.Peak()
	require.NoError(t, err)
	assert.LessOrEqual(t, after, peak)
}
