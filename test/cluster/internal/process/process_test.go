package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
			if err := s.Table.End(r.Name, 0); err != nil {
				t.Error(err)
			}
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
	if err != nil {
		t.Fatal(err)
	}
	if started != wantStart {
		t.Fatalf("started is %t, want %t", started, wantStart)
	}
	r, ok := s.Table.Read(spec.Name)
	if !ok || !r.Alive() {
		t.Fatalf("no living process is recorded: %+v", r)
	}
	return r
}

func TestARunningProgramIsLeftAloneAndAChangedOneRestarted(t *testing.T) {
	s := supervisor(t)
	first := ensure(t, s, sleeper(t, "1000"), true)
	if again := ensure(t, s, sleeper(t, "1000"), false); again.PID != first.PID {
		t.Error("an unchanged program got another pid")
	}
	if changed := ensure(t, s, sleeper(t, "2000"), true); changed.PID == first.PID {
		t.Error("a changed command kept the old process")
	}
	if first.Alive() {
		t.Error("the old process still runs")
	}
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
	if err := first.Stop(0); err != nil {
		t.Fatal(err)
	}
	ensure(t, s, sleeper(t, "1000"), true)
}

func TestAReusedPidIsNeverSignalled(t *testing.T) {
	s := supervisor(t)
	real := ensure(t, s, sleeper(t, "1000"), true)
	for name, stranger := range map[string]Record{
		"other start": {Name: "x", PID: real.PID, StartTicks: real.StartTicks - 1, BootID: real.BootID},
		"other boot":  {Name: "x", PID: real.PID, StartTicks: real.StartTicks, BootID: "another"},
	} {
		if stranger.Alive() {
			t.Errorf("%s: taken for the recorded program", name)
		}
		if err := stranger.Stop(0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !real.Alive() {
		t.Error("a process that only shares the pid was ended")
	}
}

func TestAProgramThatCannotStartSaysWhy(t *testing.T) {
	s := supervisor(t)
	_, err := s.Ensure(Spec{Name: "missing", Command: []string{"/does/not/exist"}})
	if err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("error is %v", err)
	}
}

func TestWaitingForADeadProgramQuotesItsLog(t *testing.T) {
	s := supervisor(t)
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	if _, err := s.Ensure(Spec{Name: "failing", Command: []string{shell, "-c", "echo the reason; exit 1"}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = s.Await(ctx, "failing", func(context.Context) error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("error is %v", err)
	}
}

func TestStatIsReadWhateverTheProgramIsCalled(t *testing.T) {
	stat := "42 (a ) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 10"
	ticks, state, err := parseStat(stat)
	if err != nil || ticks != 987654 || state != 'S' {
		t.Errorf("ticks %d, state %c, error %v", ticks, state, err)
	}
	if _, _, err := parseStat("nonsense"); err == nil {
		t.Error("nonsense was read")
	}
}

func TestARecordCutShortCountsAsNone(t *testing.T) {
	table := Table(t.TempDir())
	if err := os.WriteFile(table.file("x"), []byte(`{"name":"x","pi`), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, ok := table.Read("x"); ok {
		t.Errorf("read %+v", r)
	}
	if err := table.End("x", 0); err != nil {
		t.Error(err)
	}
}
