//go:build integration

package chaos

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The run's settings, as docs/development.md has them.
const (
	seedVariable      = "CHAOS_SEED"
	timeVariable      = "CHAOS_TIME"
	roundVariable     = "CHAOS_ROUND"
	stepsVariable     = "CHAOS_STEPS"
	shrinkingVariable = "CHAOS_SHRINK"
)

func TestWhatIsPromisedHoldsInChaos(t *testing.T) {
	o := Options{Seed: uint64(time.Now().UnixNano() / int64(time.Millisecond)), Steps: os.Getenv(stepsVariable), Out: os.Stdout,
		Time:  setting(t, timeVariable, "45s", time.ParseDuration),
		Round: setting(t, roundVariable, "10s", time.ParseDuration), Shrinking: setting(t, shrinkingVariable, "5m", time.ParseDuration)}
	o.Seed = setting(t, seedVariable, strconv.FormatUint(o.Seed, 10), func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) })
	t.Chdir("../..") // where make runs the programs
	r := &run{Options: o}
	r.say("%s=%d %s=%s %s=%s", seedVariable, o.Seed, timeVariable, o.Time, roundVariable, o.Round)
	// Who is told to end takes along what was started.
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w, err := Open(ctx)
	defer func() { assert.NoError(t, w.Close(t.Failed())) }()
	require.NoError(t, err)
	figures, err := Run(ctx, w, o)
	r.say("%s", figures)
	require.NoError(t, err, "%s=%d", seedVariable, o.Seed)
}

// setting is an environment variable's value, or the default.
func setting[T any](t *testing.T, name, value string, parse func(string) (T, error)) T {
	t.Helper()
	if set := os.Getenv(name); set != "" {
		value = set
	}
	parsed, err := parse(value)
	require.NoError(t, err, "%s=%s", name, value)
	return parsed
}
