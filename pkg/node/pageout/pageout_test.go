package pageout

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/pkg/node/cgroup/cgrouptest"
)

const (
	// holderFile makes this program one that keeps some memory: a file's, and its own.
	holderFile = "VDI_TEST_HOLDER"
	held       = 32 << 20
)

func TestMain(m *testing.M) {
	if path := os.Getenv(holderFile); path != "" {
		hold(path)
	}
	os.Exit(m.Run())
}

// hold says the sum of its memory for each line that it reads. It touches none before the first: what
// it touches counts for the cgroup that it is in by then.
func hold(path string) {
	f, err := os.Open(path)
	check(err)
	file, err := unix.Mmap(int(f.Fd()), 0, held, unix.PROT_READ, unix.MAP_SHARED)
	check(err)
	own, err := unix.Mmap(-1, 0, held, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	check(err)
	lines := bufio.NewScanner(os.Stdin)
	for first := true; lines.Scan(); first = false {
		if first {
			for at := range own {
				own[at] = byte(at >> 12)
			}
		}
		sum := 0
		for at := range held {
			sum += int(file[at]) + int(own[at])
		}
		fmt.Println(sum)
	}
	os.Exit(0)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// holder runs the program in a container of its own.
func holder(t *testing.T, h cgrouptest.Hierarchy) (c cgroup.Container, dir string, pid int, sum func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, make([]byte, held), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Sync(), "what is dirty is not dropped")
	require.NoError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), "its pages count for who reads them next")
	_ = f.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderFile+"="+path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	id := cgrouptest.ID()
	pod := h.Pod(t, id)
	c = h.Start(t, pod, id, cmd)
	lines := bufio.NewReader(out)
	return c, h.Dir(pod, id), cmd.Process.Pid, func() string {
		_, err := in.Write([]byte("\n"))
		require.NoError(t, err)
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		return line
	}
}

// resident is what a process has in memory, in bytes, of one kind: Rss or Anonymous.
func resident(t *testing.T, pid int, kind string) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^` + kind + `: +(\d+) kB`).FindSubmatch(raw)
	require.NotNil(t, found, "%s", raw)
	kib, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return kib << 10
}

func swaps(t *testing.T) bool {
	t.Helper()
	raw, err := os.ReadFile("/proc/swaps")
	require.NoError(t, err)
	return strings.Count(string(raw), "\n") > 1
}

func TestAFrozenProcessIsPagedOutAndHasLostNothing(t *testing.T) {
	cgrouptest.Each(t, func(t *testing.T, h cgrouptest.Hierarchy) {
		c, _, pid, sum := holder(t, h)
		before := sum()
		require.NoError(t, c.Freeze(t.Context()))
		rss, anonymous := resident(t, pid, "Rss"), resident(t, pid, "Anonymous")
		require.Greater(t, rss, 2*held)
		_, err := Run(t.Context(), c)
		require.NoError(t, err)
		assert.Less(t, resident(t, pid, "Rss"), rss-held*3/4, "the file's pages stayed")
		if swaps(t) {
			assert.Less(t, resident(t, pid, "Anonymous"), anonymous/4, "its own pages stayed")
		}
		require.NoError(t, c.Thaw(t.Context()))
		assert.Equal(t, before, sum())
	})
}

func TestPagingOutEndsWithItsContext(t *testing.T) {
	cgrouptest.Each(t, func(t *testing.T, h cgrouptest.Hierarchy) {
		c, _, pid, sum := holder(t, h)
		sum()
		require.NoError(t, c.Freeze(t.Context()))
		rss := resident(t, pid, "Rss")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Run(ctx, c)
		require.NoError(t, err, "that a thaw came is no failure")
		assert.Equal(t, rss, resident(t, pid, "Rss"))
	})
}

// Version 2's kernel can be asked for what cannot go.
func TestPagingOutEndsWhereNothingMoreCanGo(t *testing.T) {
	cgrouptest.Each(t, func(t *testing.T, h cgrouptest.Hierarchy) {
		c, dir, pid, sum := holder(t, h)
		before := sum()
		if c.CanReclaim() {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0))
		}
		require.NoError(t, c.Freeze(t.Context()))
		_, err := Run(t.Context(), c)
		require.NoError(t, err)
		if c.CanReclaim() {
			assert.Greater(t, resident(t, pid, "Anonymous"), held/2, "without swap it stays")
		}
		require.NoError(t, c.Thaw(t.Context()))
		assert.Equal(t, before, sum())
	})
}

func TestThatAContainerEndedIsNoFailure(t *testing.T) {
	cgrouptest.Each(t, func(t *testing.T, h cgrouptest.Hierarchy) {
		id := cgrouptest.ID()
		pod := h.Pod(t, id)
		c, err := h.Container(pod, id)
		require.NoError(t, err)
		require.NoError(t, os.Remove(h.Dir(pod, id)))
		out, err := Run(t.Context(), c)
		require.NoError(t, err)
		assert.Zero(t, out)
	})
}
