package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Group is a control group with a limit of memory, as a container is one.
type Group struct{ dir string }

// memoryRoots are where controllers of memory are mounted: version 1's, and version 2's
// two usual places.
var memoryRoots = []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// Confine puts the process into a control group of its own, whose memory the kernel keeps
// below the limit: it kills the process that needs more. It needs root, and a machine that
// lets it; an error says why not.
func (p *Process) Confine(limit int64) (*Group, error) {
	var errs error
	for _, root := range memoryRoots {
		g := &Group{dir: filepath.Join(root, fmt.Sprintf("vdi-bench-%d", p.PID))}
		if err := g.begin(p.PID, limit); err != nil {
			errs = errors.Join(errs, err, os.Remove(g.dir))
			continue
		}
		return g, nil
	}
	return nil, errs
}

func (g *Group) begin(pid int, limit int64) error {
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return err
	}
	bytes := strconv.FormatInt(limit, 10)
	name := "memory.max"
	if g.has("memory.limit_in_bytes") {
		name = "memory.limit_in_bytes"
		// Version 1 counts the buffers of sockets only where they have a limit.
		if err := g.write("memory.kmem.tcp.limit_in_bytes", strconv.FormatInt(limit<<8, 10)); err != nil {
			return err
		}
	}
	if err := g.write(name, bytes); err != nil {
		return err
	}
	return g.write("cgroup.procs", strconv.Itoa(pid))
}

func (g *Group) has(name string) bool {
	_, err := os.Stat(filepath.Join(g.dir, name))
	return err == nil
}

// write writes to a file that the kernel has made: none is created.
func (g *Group) write(name, value string) error {
	f, err := os.OpenFile(filepath.Join(g.dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// Sockets is what the kernel keeps in the buffers of the group's TCP connections now, in
// bytes. A container's limit counts it too, with version 2.
func (g *Group) Sockets() (int64, error) {
	if raw, err := os.ReadFile(filepath.Join(g.dir, "memory.kmem.tcp.usage_in_bytes")); err == nil {
		return strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	}
	raw, err := os.ReadFile(filepath.Join(g.dir, "memory.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "sock" {
			return strconv.ParseInt(fields[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no figure of sockets", g.dir)
}

// End removes the group, once its process has ended.
func (g *Group) End() error {
	var err error
	for range 50 {
		if err = os.Remove(g.dir); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}
