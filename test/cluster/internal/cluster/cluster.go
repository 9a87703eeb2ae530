// Package cluster brings the parts together: up, down and status of one cluster.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/test/cluster/internal/cgroup"
	"github.com/org/vdi-operator/test/cluster/internal/forward"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
	"github.com/org/vdi-operator/test/cluster/internal/process"
)

// Options are what a person can choose.
type Options struct {
	Layout layout.Layout
	Cache  cache.Dir
	// Repo is the repository's root; only commands that build need it.
	Repo string
	// GPUs is how many nvidia.com/gpu the node offers.
	GPUs int
	// Publish are the ports of this machine that lead to node ports.
	Publish []forward.Mapping
	// Self is this program, which starts the others.
	Self string
	// Out is for the person, Log for compilers and the like.
	Out, Log io.Writer
}

// Cluster is one cluster on this machine.
type Cluster struct {
	Options
	group      cgroup.Group
	table      process.Table
	supervisor process.Supervisor
}

// New returns the cluster of the options' state folder, running or not.
func New(o Options) (*Cluster, error) {
	group, err := cgroup.Open(layout.CgroupName)
	if err != nil {
		return nil, err
	}
	table := process.Table(o.Layout.Processes())
	return &Cluster{
		Options: o, group: group, table: table,
		supervisor: process.Supervisor{
			Table: table, Logs: o.Layout.Logs(),
			Launcher: []string{o.Self, "launch", "--state", o.Layout.Root(), "--"},
		},
	}, nil
}

// Launch becomes the program of a command that the supervisor started.
func (c *Cluster) Launch(name, fingerprint string, command []string) error {
	return process.Launch(c.table, c.group.Adopt, name, fingerprint, command)
}

// lock keeps two commands from changing the cluster at the same time. The file stays, or
// two could hold a lock on files of the same name; the kernel lets go of the
// lock when this process ends, however it ends.
func lock() (unlock func(), err error) {
	file, err := os.OpenFile(layout.Lock, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another command is changing the cluster (it holds %s): wait for it", layout.Lock)
		}
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}

// ours reports whether a process is one of this cluster's programs. Those of a cluster with
// another state folder are not: there can be one cluster on a machine.
func (c *Cluster) ours() func(pid int) bool {
	pids := map[int]bool{}
	for _, r := range c.table.All() {
		pids[r.PID] = r.Alive()
	}
	return func(pid int) bool { return pids[pid] }
}

func (c *Cluster) kubectl(programs string) kubectl {
	return kubectl{program: filepath.Join(programs, "kubectl"), kubeconfig: c.Layout.AdminKubeconfig()}
}

// within runs do with a deadline.
func within(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx)
}
