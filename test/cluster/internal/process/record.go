// Package process starts programs that outlive this one, remembers them on disk, and ends
// exactly those. A program is known by its pid together with the moment it started, so a
// pid that the kernel has given to somebody else since is never signalled.
package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Record is what is remembered of a started program.
type Record struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// StartTicks is field 22 of /proc/PID/stat: when it started, in clock ticks since boot.
	StartTicks uint64 `json:"startTicks"`
	// BootID tells one boot's ticks from another's.
	BootID string `json:"bootID"`
	// Fingerprint is of the command and the files it was started with.
	Fingerprint string `json:"fingerprint"`
}

// Table is the folder with a record per program.
type Table string

func (t Table) file(name string) string { return filepath.Join(string(t), name+".json") }

// Read returns the record of a program, and whether there is one. A record that cannot be
// read counts as none: it was cut short by a crash, before the program had any effect.
func (t Table) Read(name string) (Record, bool) {
	raw, err := os.ReadFile(t.file(name))
	if err != nil {
		return Record{}, false
	}
	var r Record
	if err := json.Unmarshal(raw, &r); err != nil || r.PID <= 0 {
		return Record{}, false
	}
	return r, true
}

// All returns every record, ordered by name.
func (t Table) All() []Record {
	files, _ := filepath.Glob(t.file("*"))
	slices.Sort(files)
	var all []Record
	for _, file := range files {
		if r, ok := t.Read(strings.TrimSuffix(filepath.Base(file), ".json")); ok {
			all = append(all, r)
		}
	}
	return all
}

func (t Table) write(r Record) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(t), 0o755); err != nil {
		return err
	}
	half := t.file(r.Name) + ".tmp"
	if err := os.WriteFile(half, raw, 0o644); err != nil {
		return err
	}
	return os.Rename(half, t.file(r.Name))
}

func (t Table) forget(name string) error {
	err := os.Remove(t.file(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Alive reports whether the very program recorded still runs.
func (r Record) Alive() bool {
	boot, err := bootID()
	if err != nil || boot != r.BootID {
		return false
	}
	ticks, state, err := startTicks(r.PID)
	return err == nil && ticks == r.StartTicks && state != 'Z'
}

// Stop asks the program to end, and kills it when it has not within patience.
func (r Record) Stop(patience time.Duration) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, patience}, {syscall.SIGKILL, killPatience}} {
		if !r.Alive() {
			return nil
		}
		if err := syscall.Kill(r.PID, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("%s (pid %d): %w", r.Name, r.PID, err)
		}
		for deadline := time.Now().Add(step.wait); time.Now().Before(deadline); time.Sleep(pollInterval) {
			if !r.Alive() {
				return nil
			}
		}
	}
	if r.Alive() {
		return fmt.Errorf("%s (pid %d) still runs %s after SIGKILL", r.Name, r.PID, killPatience)
	}
	return nil
}

const (
	// killPatience is how long the kernel may take to end a killed program.
	killPatience = 10 * time.Second
	// pollInterval is how often a program is looked at while it ends.
	pollInterval = 20 * time.Millisecond
)

// startTicks reads when a process started and its state letter.
func startTicks(pid int) (ticks uint64, state byte, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	return parseStat(string(raw))
}

// parseStat reads /proc/PID/stat. The name in parentheses may itself hold spaces and
// parentheses, so fields are counted from its end: the state is field 3, the start 22.
func parseStat(stat string) (ticks uint64, state byte, err error) {
	_, after, ok := lastCut(stat, ")")
	fields := strings.Fields(after)
	if !ok || len(fields) < 20 {
		return 0, 0, fmt.Errorf("unexpected stat %q", stat)
	}
	ticks, err = strconv.ParseUint(fields[19], 10, 64)
	return ticks, fields[0][0], err
}

func lastCut(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func bootID() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(raw)), err
}
