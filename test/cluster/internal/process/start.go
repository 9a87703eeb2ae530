package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Spec is a program to run.
type Spec struct {
	Name string
	// Command is the program's path and its arguments.
	Command []string
	// AnyProgram says that the program's path does not matter: when it runs already with the
	// same arguments from another path, it is left alone.
	AnyProgram bool
	// Env is added to this program's own environment.
	Env []string
	// Inputs are files the program reads when it starts; when one changes, it is restarted.
	Inputs []string
	// Patience is how long it may take to end after SIGTERM.
	Patience time.Duration
}

// Supervisor starts programs of a table.
type Supervisor struct {
	Table Table
	// Logs is the folder for NAME.log.
	Logs string
	// Launcher is the command that calls Launch with what follows it.
	Launcher []string
}

// LogFile is where a program's output goes.
func (s Supervisor) LogFile(name string) string { return filepath.Join(s.Logs, name+".log") }

// Ensure sees to it that the program runs as the spec says: it starts it when it does not
// run, restarts it when it runs with another command or other inputs, and otherwise leaves
// it alone. It reports whether it started anything.
func (s Supervisor) Ensure(spec Spec) (started bool, err error) {
	fingerprint, err := spec.fingerprint()
	if err != nil {
		return false, fmt.Errorf("%s: %w", spec.Name, err)
	}
	if old, ok := s.Table.Read(spec.Name); ok && old.Alive() {
		if old.Fingerprint == fingerprint {
			return false, nil
		}
		if err := old.Stop(spec.Patience); err != nil {
			return false, err
		}
	}
	return true, s.start(spec, fingerprint)
}

func (s Supervisor) start(spec Spec, fingerprint string) error {
	if err := os.MkdirAll(s.Logs, 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(s.LogFile(spec.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- %s start: %s\n", time.Now().Format(time.RFC3339), strings.Join(spec.Command, " "))
	launcher := append(slices.Clone(s.Launcher), spec.Name, fingerprint)
	launcher = append(launcher, spec.Command...)
	cmd := exec.Command(launcher[0], launcher[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.Dir = "/"
	// A session of its own: a closed terminal or an interrupted "up" does not reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	problem, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer problem.Close()
	cmd.ExtraFiles = []*os.File{report}
	err = cmd.Start()
	_ = report.Close()
	if err != nil {
		return fmt.Errorf("start %s: %w", spec.Name, err)
	}
	// Whoever starts a process has to collect it when it dies while we still run; it would
	// be a zombie otherwise. This ends with the process or with us.
	go func() { _ = cmd.Wait() }()
	// The pipe closes by itself when the launcher has become the program.
	if text, err := io.ReadAll(problem); err != nil || len(text) > 0 {
		return errors.Join(fmt.Errorf("start %s: %s", spec.Name, text), err)
	}
	return nil
}

// reportFD is the launcher's end of the pipe that tells of a failed start.
const reportFD = 3

// Launch turns this process into the program: it enters its control group and writes its
// record first, so that at no moment a program runs that "down" would not find, even when
// "up" is killed half-way. It returns only on failure.
func Launch(t Table, adopt func(pid int) error, name, fingerprint string, command []string) error {
	report := os.NewFile(reportFD, "report")
	err := launch(t, adopt, name, fingerprint, command)
	if report != nil {
		_, _ = report.WriteString(err.Error())
	}
	return err
}

func launch(t Table, adopt func(pid int) error, name, fingerprint string, command []string) error {
	syscall.CloseOnExec(reportFD)
	if err := adopt(os.Getpid()); err != nil {
		return err
	}
	record, err := describe(name, os.Getpid(), fingerprint)
	if err != nil {
		return err
	}
	if err := t.write(record); err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", command[0], syscall.Exec(command[0], command, os.Environ()))
}

func describe(name string, pid int, fingerprint string) (Record, error) {
	ticks, _, err := startTicks(pid)
	if err != nil {
		return Record{}, err
	}
	boot, err := bootID()
	if err != nil {
		return Record{}, err
	}
	return Record{Name: name, PID: pid, StartTicks: ticks, BootID: boot, Fingerprint: fingerprint}, nil
}

// fingerprint is of all that decides how the program behaves.
func (spec Spec) fingerprint() (string, error) {
	hash := sha256.New()
	command := spec.Command
	if spec.AnyProgram {
		command = command[1:]
	}
	fmt.Fprintf(hash, "%q%q", command, spec.Env)
	for _, input := range spec.Inputs {
		raw, err := os.ReadFile(input)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%q%d", input, len(raw))
		hash.Write(raw)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// End stops a recorded program and forgets it. It is no error when there is none.
func (t Table) End(name string, patience time.Duration) error {
	r, ok := t.Read(name)
	if ok {
		if err := r.Stop(patience); err != nil {
			return err
		}
	}
	return t.forget(name)
}

// Await polls until ready returns nil. It gives up when the program dies, with the end of
// its log, or when ctx ends.
func (s Supervisor) Await(ctx context.Context, name string, ready func(context.Context) error) error {
	var last error
	for {
		if last = ready(ctx); last == nil {
			return nil
		}
		if r, ok := s.Table.Read(name); !ok || !r.Alive() {
			return fmt.Errorf("%s ended. The end of %s:\n%s", name, s.LogFile(name), s.Tail(name))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w. The end of %s:\n%s", name, last, s.LogFile(name), s.Tail(name))
		case <-time.After(readyInterval):
		}
	}
}

const (
	readyInterval = 100 * time.Millisecond
	// tailBytes is how much of a log an error quotes.
	tailBytes = 1500
)

// Tail returns the end of a program's log.
func (s Supervisor) Tail(name string) string {
	file, err := os.Open(s.LogFile(name))
	if err != nil {
		return "(no log)"
	}
	defer file.Close()
	if size, err := file.Seek(0, io.SeekEnd); err == nil {
		_, _ = file.Seek(max(0, size-tailBytes), io.SeekStart)
	}
	raw, _ := io.ReadAll(file)
	return strings.TrimSpace(string(raw))
}
