//go:build desktop

package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/desktop/viewer"
)

const (
	abc = 911 // the user of linuxserver.io's images
	// late is how long Selkies is missing where a story needs to see that.
	late = 1500 * time.Millisecond
	soon = 500 * time.Millisecond
)

// startLayout starts a desktop with nginx in front, at d.base.
func startLayout(t *testing.T, layout layoutName, env ...string) *running {
	t.Helper()
	if layout == lsio && os.Geteuid() != 0 {
		t.Skip("this layout starts as root")
	}
	front, selkies := freePort(t), freePort(t)
	own := []string{
		"DESKTOP_LAYOUT=" + string(layout), "SELKIES_ENABLE_BASIC_AUTH=false",
		"NGINX_PORT=" + front, "CUSTOM_PORT=" + front, "SELKIES_PORT=" + selkies, "CUSTOM_WS_PORT=" + selkies,
	}
	d := startDesktop(t, append(own, env...)...)
	d.base = "http://127.0.0.1:" + front
	return d
}

// freePort is one that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func (d *running) answers(path string, want int) {
	d.t.Helper()
	got, body := d.get(path)
	assert.Equal(d.t, want, got, "%s: %s", path, body)
}

// logs waits for words in the log.
func (d *running) logs(words string) {
	d.t.Helper()
	eventually.True(d.t, "the log says "+words, func() bool { return strings.Contains(d.log.String(), words) })
}

func TestAnEglDesktopOpensItsPortLastAndOnlyWhatNginxPassesOnMeetsTheSleepingLoop(t *testing.T) {
	t.Parallel()
	began := time.Now()
	d := startLayout(t, egl, "DESKTOP_START_DELAY="+late.String(), "DESKTOP_BLOCK_LOOP=700ms")
	d.upIn()
	assert.GreaterOrEqual(t, time.Since(began), late, "the page was served, want not before Selkies listens")
	eventually.True(d.t, "/turn and /health wait for the loop", func() bool {
		began := time.Now()
		d.answers("/turn", http.StatusOK)
		d.answers("/health", http.StatusOK)
		return time.Since(began) > 1400*time.Millisecond
	})
	began = time.Now()
	for _, path := range []string{"/", "/selkies1.js", "/fonts/text.ttf"} {
		d.answers(path, http.StatusOK)
	}
	d.answers("/elsewhere/signalling/", http.StatusNotFound) // nginx passes on one folder only
	assert.LessOrEqual(t, time.Since(began), soon, "files took: nginx has no loop that sleeps")
	ctx := deadline(t)
	v := d.visit(ctx)
	require.NoError(t, errors.Join(v.WaitFrames(ctx, 3), v.WaitAudio(ctx, 1), v.WaitInput(ctx)))
}

func TestAnEglDesktopAsksForItsPasswordUnlessToldNotTo(t *testing.T) {
	t.Parallel()
	d := startLayout(t, egl, "SELKIES_ENABLE_BASIC_AUTH=", "PASSWD=secret")
	eventually.True(d.t, "nginx answers", func() bool { code, _ := d.get("/"); return code != 0 })
	d.answers("/", http.StatusUnauthorized)
	d.answers("/health", http.StatusUnauthorized)
	d.base = strings.Replace(d.base, "http://", "http://ubuntu:secret@", 1)
	d.answers("/", http.StatusOK)
}

func TestNginxNeverGetsThePortThatSelkiesHasTaken(t *testing.T) {
	t.Parallel()
	same := freePort(t)
	d := startLayout(t, egl, "NGINX_PORT="+same, "SELKIES_PORT="+same)
	d.base = "http://127.0.0.1:" + same
	d.up() // Selkies itself, which a pod's address does not lead to
	d.logs("bind() to 0.0.0.0:" + same + " failed (98: Address already in use)")
	d.logs("program ended, starting it again")
}

func TestALinuxserverDesktopAnswers404UntilSelkiesIsThereAndRunsAsItsUser(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"/", "/desk/"} {
		t.Run(strings.ReplaceAll(folder, "/", "-"), func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			require.NoError(t, os.Chmod(filepath.Dir(home), 0o755))
			began := time.Now()
			d := startLayout(t, lsio, "SUBFOLDER="+folder, "DESKTOP_HOME="+home, "DESKTOP_START_DELAY="+late.String())
			eventually.True(d.t, "the page is served", func() bool { code, _ := d.get(folder); return code == http.StatusOK })
			d.answers(folder+"linuxserver.js", http.StatusOK)
			// On a busy machine Selkies may be there already.
			code := upgrade(t, d.base+folder+"websockets", "")
			assert.False(t, code != http.StatusNotFound && time.Since(began) < late,
				"a socket got %d before Selkies was there, want 404", code)
			var info syscall.Stat_t
			require.NoError(t, syscall.Stat(home, &info))
			require.EqualValues(t, abc, info.Uid)
			assert.EqualValues(t, abc, info.Gid, "the home belongs")
			assert.NotContains(t, d.log.String(), "cannot be written", "the home is not the user's")
			for _, pid := range append(descendants(t, d.cmd.Process.Pid), d.cmd.Process.Pid) {
				status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
				if err == nil && !strings.Contains(string(status), fmt.Sprintf("\nUid:\t%d\t%d\t%d\t%d\n", abc, abc, abc, abc)) {
					t.Errorf("process %d is somebody else's:\n%s", pid, status)
				}
			}
			eventually.True(d.t, "Selkies listens", func() bool { return upgrade(t, d.base+folder+"websockets", "") == http.StatusSwitchingProtocols })
			ctx := deadline(t)
			v, err := viewer.Dial(ctx, viewer.Options{URL: d.base + folder, Protocol: viewer.LinuxServer, LoopbackOnly: true})
			require.NoError(t, err)
			defer v.Close()
			require.NoError(t, errors.Join(v.WaitFrames(ctx, 3), v.WaitInput(ctx), v.SendInput("m,321,123,0,0")))
			eventually.True(d.t, "the X server says the pointer is at 321,123", func() bool { x, y := d.pointer(); return x == 321 && y == 123 })
		})
	}
}

func TestLinuxserversSelkiesNeverGetsNginxsPort(t *testing.T) {
	t.Parallel()
	same := freePort(t)
	d := startLayout(t, lsio, "CUSTOM_PORT="+same, "SELKIES_PORT="+same)
	d.base = "http://127.0.0.1:" + same
	d.logs("starting Data WS on port " + same)
	assert.Equal(t, http.StatusNotFound, upgrade(t, d.base+"/websockets", ""), "a socket, want 404")
}

// TestALinuxserverDesktopDiesAsS6Does starts it as pods do that are not allowed what it needs.
func TestALinuxserverDesktopDiesAsS6Does(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can take rights away")
	}
	for name, c := range map[string]struct {
		setpriv []string
		says    string
		status  int
	}{
		"without capabilities": {[]string{"--bounding-set=-all", "--inh-caps=-all"}, "s6-applyuidgid: fatal: unable to set supplementary group list: Operation not permitted\n", 111},
		"as another user":      {[]string{"--reuid=1000", "--regid=1000", "--clear-groups"}, "/run belongs to uid 0 instead of 1000", 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("setpriv", append(c.setpriv, binary)...)
			cmd.Env = append(os.Environ(), "DESKTOP_LAYOUT=linuxserver", "DESKTOP_HOME="+t.TempDir())
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%s", out)
			require.Equal(t, c.status, exit.ExitCode(), "%s", out)
			assert.Contains(t, string(out), c.says, "%s", out)
		})
	}
}
