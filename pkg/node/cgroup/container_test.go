package cgroup

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/org/vdi-operator/pkg/eventually"
)

// roots are the hierarchies of this machine in which cgroups can be made.
func roots(t *testing.T) map[string]*Root {
	t.Helper()
	found := map[string]*Root{}
	for _, path := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		r, err := Open(path)
		if err == nil && unix.Access(r.tree, unix.W_OK) == nil {
			found["version "+strconv.Itoa(r.Version())] = r
		}
	}
	if len(found) == 0 {
		t.Skip("this machine lets nobody make cgroups: run the test as root")
	}
	return found
}

// makeCgroup makes a cgroup in every hierarchy that counts, and removes it in the end.
func makeCgroup(t *testing.T, r *Root, path string) {
	t.Helper()
	parts := strings.Split(path, "/")
	for _, tree := range []string{r.tree, r.memory} {
		for i := range parts {
			dir := filepath.Join(tree, filepath.Join(parts[:i+1]...))
			if os.Mkdir(dir, 0o755) == nil {
				t.Cleanup(func() { eventually.NoError(t, "removing the cgroup", func() error { return os.Remove(dir) }) })
			}
		}
	}
}

// run starts a program in a container's cgroup.
func run(t *testing.T, c Container, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = c.Thaw(t.Context())
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for _, tree := range []string{c.root.tree, c.root.memory} {
		procs := filepath.Join(tree, c.path, "cgroup.procs")
		require.NoError(t, os.WriteFile(procs, []byte(strconv.Itoa(cmd.Process.Pid)), 0))
	}
	return cmd
}

// unique is a folder for one test's cgroups: tests of other clones of the repository run beside it.
func unique(t *testing.T) string {
	t.Helper()
	return "vdi-test-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
}

func TestAContainersProcessesStopAndGoOn(t *testing.T) {
	for name, r := range roots(t) {
		t.Run(name, func(t *testing.T) {
			base := unique(t)
			path := base + "/kubepods/burstable/pod" + string(podUID) + "/" + desktopID
			makeCgroup(t, r, path)
			makeCgroup(t, r, path+"/of-its-own")
			c, err := r.Container(podUID, desktopID)
			require.NoError(t, err)
			require.ErrorIs(t, c.Freeze(t.Context()), ErrEmpty)

			ticks := filepath.Join(t.TempDir(), "ticks")
			run(t, c, "sh", "-c", `while :; do echo >>"$0"; sleep 0.002; done`, ticks)
			size := func() int64 {
				info, err := os.Stat(ticks)
				if err != nil {
					return 0
				}
				return info.Size()
			}
			eventually.True(t, "the program ticks", func() bool { return size() > 3 })
			require.NoError(t, c.Freeze(t.Context()))
			frozen, err := c.Frozen()
			require.NoError(t, err)
			assert.True(t, frozen)
			told, err := c.Told()
			require.NoError(t, err)
			assert.True(t, told)
			stopped := size()
			pids, err := c.PIDs()
			require.NoError(t, err)
			assert.NotEmpty(t, pids)
			require.NoError(t, c.Freeze(t.Context()), "once more")
			assert.Equal(t, stopped, size(), "it went on while it was frozen")

			require.NoError(t, c.Thaw(t.Context()))
			told, err = c.Told()
			require.NoError(t, err)
			assert.False(t, told)
			eventually.True(t, "the program ticks again", func() bool { return size() > stopped+3 })
			require.NoError(t, c.Thaw(t.Context()), "once more")
		})
	}
}

func TestAContainerIsFoundInItsOwnPodOnly(t *testing.T) {
	const other = "11111111-7a52-4c57-9f27-1f9a4f5a8f10"
	for name, r := range roots(t) {
		for driver, path := range map[string]string{
			"cgroupfs":        "/kubepods/burstable/pod" + string(podUID) + "/" + desktopID,
			"systemd":         "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + podLow + ".slice/cri-containerd-" + desktopID + ".scope",
			"CRI-O":           "/kubepods.slice/kubepods-pod" + podLow + ".slice/crio-" + desktopID + ".scope",
			"kind":            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + podLow + ".slice/cri-containerd-" + desktopID + ".scope",
			"two levels more": "/a/b/kubepods/pod" + string(podUID) + "/" + desktopID,
		} {
			t.Run(name+" "+driver, func(t *testing.T) {
				base := unique(t)
				makeCgroup(t, r, base+path)
				makeCgroup(t, r, base+"/kubepods/pod"+other+"/"+strings.Repeat("b", 64))
				// What a container makes in its own cgroup is nobody's pod.
				makeCgroup(t, r, base+"/kubepods/pod"+other+"/"+strings.Repeat("b", 64)+"/pod22222222-0000")
				c, err := r.Container(podUID, desktopID)
				require.NoError(t, err)
				assert.Equal(t, base+path, c.path)
				for what, ask := range map[string]func() (Container, error){
					"another pod's container": func() (Container, error) { return r.Container(other, desktopID) },
					"another container":       func() (Container, error) { return r.Container(podUID, strings.Repeat("c", 64)) },
					"a pod in a container":    func() (Container, error) { return r.Container("22222222-0000", desktopID) },
					"a path":                  func() (Container, error) { return r.Container("../"+podUID, "..") },
				} {
					_, err := ask()
					assert.ErrorIs(t, err, ErrNone, what)
				}
			})
		}
	}
}

func TestACgroupThatWentIsNone(t *testing.T) {
	for name, r := range roots(t) {
		c := Container{ID: desktopID, root: r, path: "vdi-test-none"}
		_, err := c.Frozen()
		require.ErrorIs(t, err, ErrNone, name)
		assert.ErrorIs(t, c.Freeze(t.Context()), ErrNone, name)
		assert.ErrorIs(t, c.Thaw(t.Context()), ErrNone, name)
		_, err = c.MemoryUsed()
		require.ErrorIs(t, err, ErrNone, name)
		_, err = c.Reclaim(1)
		assert.ErrorIs(t, err, ErrNone, name)
	}
}

func TestWhereNoCgroupsAreTheErrorSaysWhatToMount(t *testing.T) {
	_, err := Open(t.TempDir())
	require.ErrorContains(t, err, "mount the node's /sys/fs/cgroup")
	_, err = Open(filepath.Join(t.TempDir(), "none"))
	assert.ErrorContains(t, err, "cgroup root")
}

// The program is root without capabilities: a folder's mode holds for it.
func TestAFolderThatCannotBeReadHidesNoPod(t *testing.T) {
	for name, r := range roots(t) {
		t.Run(name, func(t *testing.T) {
			base := unique(t)
			makeCgroup(t, r, base+"/a.slice")
			makeCgroup(t, r, base+"/kubepods/pod"+string(podUID)+"/"+desktopID)
			require.NoError(t, os.Chmod(filepath.Join(r.tree, base, "a.slice"), 0))
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			require.NoError(t, unix.Setfsuid(65534))
			defer func() { require.NoError(t, unix.Setfsuid(0)) }()
			_, err := r.Container(podUID, desktopID)
			require.NoError(t, err)
			_, err = r.Containers("11111111-7a52-4c57-9f27-1f9a4f5a8f11")
			require.ErrorIs(t, err, os.ErrPermission, "it may be in there")
		})
	}
}

// The kernel says EAGAIN of a memory.reclaim that found less than was asked for, and the file can be
// polled: so can a full pipe.
func TestAReclaimThatFindsLessDoesNotWaitForMore(t *testing.T) {
	c := Container{ID: desktopID, root: &Root{unified: true, tree: t.TempDir()}}
	path := c.file("memory.reclaim")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	pipe, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer func() { _ = unix.Close(pipe) }()
	all, err := c.Reclaim(4096)
	require.NoError(t, err)
	assert.True(t, all)
	for err == nil {
		_, err = unix.Write(pipe, make([]byte, 4096))
	}
	require.ErrorIs(t, err, unix.EAGAIN)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		all, err = c.Reclaim(4096)
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits")
	}
	require.NoError(t, err)
	assert.False(t, all)
}
