// Package cgrouptest makes the cgroups of pods on the machine of a test, and runs programs in them.
package cgrouptest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/node/cgroup"
)

// Hierarchy is one of this machine in which containers can be frozen.
type Hierarchy struct {
	*cgroup.Root
	// Path is where its root is mounted, Tree where containers are frozen.
	Path, Tree string
}

// Each runs a test with each hierarchy of this machine, and skips it where there is none.
func Each(t *testing.T, test func(*testing.T, Hierarchy)) {
	t.Helper()
	none := true
	// Where version 1 has the controllers, version 2 is beside it without any, and freezes all the same.
	for path, tree := range map[string]string{"/sys/fs/cgroup": "freezer", "/sys/fs/cgroup/unified": ""} {
		r, err := cgroup.Open(path)
		if err != nil {
			continue
		}
		h := Hierarchy{Root: r, Path: path, Tree: path}
		if r.Version() == 1 {
			h.Tree = filepath.Join(path, tree)
		}
		if unix.Access(h.Tree, unix.W_OK) == nil {
			none = false
			t.Run("version "+strconv.Itoa(r.Version()), func(t *testing.T) { test(t, h) })
		}
	}
	if none {
		t.Skip("this machine lets nobody make cgroups: run the test as root")
	}
}

// ID is a container's id.
func ID() string { return strings.ReplaceAll(string(uuid.NewUUID()+uuid.NewUUID()), "-", "") }

// Make makes a cgroup, and those above it, and removes them in the end.
func (h Hierarchy) Make(t *testing.T, path string) {
	t.Helper()
	for at, parts := h.Tree, strings.Split(path, "/"); len(parts) > 0; parts = parts[1:] {
		if h.Version() == 2 { // it counts memory where it is told to, and not at all beside version 1
			_ = os.WriteFile(filepath.Join(at, "cgroup.subtree_control"), []byte("+memory"), 0)
		}
		at = filepath.Join(at, parts[0])
		if os.Mkdir(at, 0o755) == nil {
			dir := at
			t.Cleanup(func() {
				eventually.NoError(t, "removing the cgroup", func() error {
					if err := os.Remove(dir); !errors.Is(err, os.ErrNotExist) {
						return err
					}
					return nil
				})
			})
		}
	}
}

// Pod makes a pod with containers, and a UID of its own.
func (h Hierarchy) Pod(t *testing.T, containers ...string) (pod types.UID) {
	t.Helper()
	return h.PodOf(t, uuid.NewUUID(), containers...)
}

// PodOf makes a pod that has a UID.
func (h Hierarchy) PodOf(t *testing.T, pod types.UID, containers ...string) types.UID {
	t.Helper()
	for _, id := range containers {
		h.Make(t, "vdi-test-"+string(pod)+"/kubepods/burstable/pod"+string(pod)+"/"+id)
	}
	return pod
}

// Dir is a container's folder.
func (h Hierarchy) Dir(pod types.UID, id string) string {
	return filepath.Join(h.Tree, "vdi-test-"+string(pod), "kubepods/burstable/pod"+string(pod), id)
}

// Start starts a program in a container of a pod, and ends it.
func (h Hierarchy) Start(t *testing.T, pod types.UID, id string, cmd *exec.Cmd) cgroup.Container {
	t.Helper()
	c, err := h.Container(pod, id)
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = c.Thaw(context.Background())
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	procs := filepath.Join(h.Dir(pod, id), "cgroup.procs")
	require.NoError(t, os.WriteFile(procs, []byte(strconv.Itoa(cmd.Process.Pid)), 0))
	return c
}

// Sleeper is a program that runs until it is ended.
func (h Hierarchy) Sleeper(t *testing.T, pod types.UID, id string) cgroup.Container {
	t.Helper()
	return h.Start(t, pod, id, exec.Command("sleep", "infinity"))
}
