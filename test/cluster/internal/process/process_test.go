package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// launcherEnv makes the test program behave as the launcher of the table it names.
const launcherEnv = "PROCESS_TEST_TABLE"

func TestMain(m *testing.M) {
	if table := os.Getenv(launcherEnv); table != "" {
		args := os.Args[1:]
		err := Launch(Table(table), func(int) error { return nil }, args[0], args[1], args[2:])
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func supervisor(t *testing.T) Supervisor {
	t.Helper()
	dir := t.TempDir()
	table := filepath.Join(dir, "processes")
	t.Setenv(launcherEnv, table)
	s := Supervisor{Table: Table(table), Logs: filepath.Join(dir, "logs"), Launcher: []string{os.Args[0]}}
	t.Cleanup(func() {
		for _, r := range s.Table.All() {
			assert.NoError(t, s.Table.End(r.Name, 0))
		}
	})
	return s
}

func sleeper(t *testing.T, argument string) Spec {
	t.Helper()
	program, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("no sleep program")
	}
	return Spec{Name: "sleeper", Command: []string{program, argument}, Patience: time.Second}
}

func ensure(t *testing.T, s Supervisor, spec Spec, wantStart bool) Record {
	t.Helper()
	started, err := s.Ensure(spec)
	require.NoError(t, err)
	require.Equal(t, wantStart, started, "started")
	r, ok := s.Table.Read(spec.Name)
	require.True(t, ok)
	require.True(t, r.Alive(), "no living process is recorded: %+v", r)
	return r
}

func TestARunningProgramIsLeftAloneAndAChangedOneRestarted(t *testing.T) {
	s := supervisor(t)
	first := ensure(t, s, sleeper(t, "1000"), true)
	assert.Equal(t, first.PID, ensure(t, s, sleeper(t, "1000"), false).PID, "an unchanged program got another pid")
	assert.NotEqual(t, first.PID, ensure(t, s, sleeper(t, "2000"), true).PID, "a changed command kept the old process")
	assert.False(t, first.Alive(), "the old process still runs")
}

func TestTheSameProgramFromAnotherPathIsLeftAloneWhereThatIsSaid(t *testing.T) {
	s := supervisor(t)
	spec := sleeper(t, "1000")
	spec.AnyProgram = true
	ensure(t, s, spec, true)
	spec.Command = []string{"/another/path/to/sleep", "1000"}
	ensure(t, s, spec, false)
}

func TestAKilledProgramIsStartedAgain(t *testing.T) {
	s := supervisor(t)
	first := ensure(t, s, sleeper(t, "1000"), true)
	require.NoError(t, first.Stop(0))
	ensure(t, s, sleeper(t, "1000"), true)
}

func TestAReusedPidIsNeverSignalled(t *testing.T) {
	s := supervisor(t)
	real := ensure(t, s, sleeper(t, "1000"), true)
	for name, stranger := range map[string]Record{
		"other start": {Name: "x", PID: real.PID, StartTicks: real.StartTicks - 1, BootID: real.BootID},
		"other boot":  {Name: "x", PID: real.PID, StartTicks: real.StartTicks, BootID: "another"},
	} {
		assert.False(t, stranger.Alive(), "%s: taken for the recorded program", name)
		assert.NoError(t, stranger.Stop(0), name)
	}
	assert.True(t, real.Alive(), "a process that only shares the pid was ended")
}

func TestAProgramThatCannotStartSaysWhy(t *testing.T) {
	s := supervisor(t)
	_, err := s.Ensure(Spec{Name: "missing", Command: []string{"/does/not/exist"}})
	assert.ErrorContains(t, err, "/does/not/exist")
}

func TestWaitingForADeadProgramQuotesItsLog(t *testing.T) {
	s := supervisor(t)
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	_, err = s.Ensure(Spec{Name: "failing", Command: []string{shell, "-c", "echo the reason; exit 1"}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = s.Await(ctx, "failing", func(context.Context) error { return errors.New("not yet") })
	assert.ErrorContains(t, err, "the reason")
}

func TestStatIsReadWhateverTheProgramIsCalled(t *testing.T) {
	stat := "42 (a ) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 10"
	ticks, state, err := parseStat(stat)
	require.NoError(t, err)
	require.EqualValues(t, 987654, ticks)
	assert.EqualValues(t, 'S', state, "ticks, state")
	_, _, err = parseStat("nonsense")
	assert.Error(t, err, "nonsense was read")
}

func TestARecordCutShortCountsAsNone(t *testing.T) {
	table := Table(t.TempDir())
	require.NoError(t, os.WriteFile(table.file("x"), []byte(`{"name":"x","pi`), 0o644))
	r, ok := table.Read("x")
	assert.False(t, ok, "read %+v", r)
	assert.NoError(t, table.End("x", 0))
}
