// Package cgroup keeps every process of the cluster, its containers' too, below one control
// group, so that all of them can be found and ended whatever happened to those who started
// them. It works with cgroup v2, v1 and the hybrid of both.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// pods and system are the two halves of the group: what kubelet runs, and the node's
	// own programs with the shims that containerd starts.
	pods   = "kubepods"
	system = "system"
	// killPatience is how long the kernel may take to end killed processes.
	killPatience = 10 * time.Second
	pollInterval = 50 * time.Millisecond
)

// Group is a control group at the same place in every hierarchy of the machine.
type Group struct {
	name        string
	hierarchies []string // mount points
}

// Open finds the machine's hierarchies.
func Open(name string) (Group, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return Group{}, err
	}
	defer file.Close()
	g := Group{name: name}
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		// "36 31 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids"
		mount, kind, ok := strings.Cut(scanner.Text(), " - ")
		fields, kinds := strings.Fields(mount), strings.Fields(kind)
		if !ok || len(fields) < 5 || len(kinds) == 0 || (kinds[0] != "cgroup" && kinds[0] != "cgroup2") {
			continue
		}
		// Container tools may mount a hierarchy a second time elsewhere.
		if strings.HasPrefix(fields[4], "/sys/fs/cgroup") {
			g.hierarchies = append(g.hierarchies, fields[4])
		}
	}
	if len(g.hierarchies) == 0 {
		return Group{}, errors.New("no control groups are mounted below /sys/fs/cgroup: mount them, kubelet needs them")
	}
	return g, scanner.Err()
}

// Path is the group's name as kubelet's cgroupRoot wants it.
func (g Group) Path() string { return "/" + g.name }

// Create makes the group in every hierarchy.
func (g Group) Create() error {
	for _, hierarchy := range g.hierarchies {
		dir := filepath.Join(hierarchy, g.name)
		if err := os.MkdirAll(filepath.Join(dir, system), 0o755); err != nil {
			return err
		}
		// A v1 cpuset takes no process before it has processors and memory of its own.
		for _, child := range []string{dir, filepath.Join(dir, system)} {
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				if err := inherit(filepath.Dir(child), child, file); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// inherit copies a v1 cpuset setting from the parent. On v2 the file is absent or may stay
// empty.
func inherit(parent, child, file string) error {
	value, err := os.ReadFile(filepath.Join(child, file))
	if errors.Is(err, os.ErrNotExist) || len(strings.TrimSpace(string(value))) > 0 {
		return nil
	}
	value, err = os.ReadFile(filepath.Join(parent, file))
	if errors.Is(err, os.ErrNotExist) || (err == nil && len(strings.TrimSpace(string(value))) == 0) {
		return nil // v2, whose root has no such file
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(child, file), value, 0o644)
}

// Adopt moves a process of the node's own into the group. One hierarchy suffices to find
// it again; on v1 that is the one that only counts processes.
func (g Group) Adopt(pid int) error {
	hierarchy := g.hierarchies[0]
	if i := slices.IndexFunc(g.hierarchies, func(h string) bool { return filepath.Base(h) == "pids" }); i >= 0 {
		hierarchy = g.hierarchies[i]
	}
	file := filepath.Join(hierarchy, g.name, system, "cgroup.procs")
	return os.WriteFile(file, []byte(strconv.Itoa(pid)), 0o644)
}

// KillPods ends every container of the cluster, Kill everything that is left in the group.
func (g Group) KillPods() error { return g.kill(pods) }

// Kill ends everything in the group.
func (g Group) Kill() error { return g.kill("") }

func (g Group) kill(below string) error {
	deadline := time.Now().Add(killPatience)
	for {
		pids := g.processes(below)
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill pid %d of control group %s: %w", pid, g.Path(), err)
			}
		}
		g.thaw(below)
		if time.Now().After(deadline) {
			return fmt.Errorf("control group %s still holds pids %v %s after SIGKILL", g.Path(), pids, killPatience)
		}
		time.Sleep(pollInterval)
	}
}

// thaw lets what is frozen run, as a desktop that dozes is: v1 delivers no signal before.
func (g Group) thaw(below string) {
	for _, hierarchy := range g.hierarchies {
		for _, dir := range tree(filepath.Join(hierarchy, g.name, below)) {
			for file, runs := range map[string]string{"freezer.state": "THAWED", "cgroup.freeze": "0"} {
				if f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0); err == nil {
					_, _ = f.WriteString(runs) // what it does not end, kill says
					_ = f.Close()
				}
			}
		}
	}
}

// processes lists the processes in a part of the group, or with "" in all of it.
func (g Group) processes(below string) []int {
	var pids []int
	for _, hierarchy := range g.hierarchies {
		for _, dir := range tree(filepath.Join(hierarchy, g.name, below)) {
			raw, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			if err != nil {
				continue
			}
			for _, field := range strings.Fields(string(raw)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					pids = append(pids, pid)
				}
			}
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// Remove deletes the group, which must hold no process any more.
func (g Group) Remove() error {
	var problems []error
	for _, hierarchy := range g.hierarchies {
		dirs := tree(filepath.Join(hierarchy, g.name))
		for _, dir := range slices.Backward(dirs) { // children first
			if err := removeGroup(dir); err != nil {
				problems = append(problems, err)
			}
		}
	}
	return errors.Join(problems...)
}

// removeGroup retries while the kernel still tears the last process down.
func removeGroup(dir string) error {
	for deadline := time.Now().Add(killPatience); ; time.Sleep(pollInterval) {
		err := syscall.Rmdir(dir)
		if err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("remove control group %s: %w", dir, err)
		}
	}
}

// tree lists a folder and all below it, parents first.
func tree(root string) []string {
	var dirs []string
	_ = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, name)
		}
		return nil // groups come and go while we look
	})
	return dirs
}
