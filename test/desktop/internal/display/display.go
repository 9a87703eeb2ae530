// Package display runs a virtual X screen with a window manager and a few programs to
// look at, and reads its pixels straight from the server's memory. It promises a cheap
// look at the screen (no X requests, nothing runs while nobody asks). It does not know
// who looks, or how the picture travels.
package display

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/process"
)

const (
	// startTimeout bounds the X server's start; it needs 0.2 s on an idle machine.
	startTimeout = 20 * time.Second
	// restartPause is how long a closed window stays away.
	restartPause = time.Second
)

// Size is a screen's size in pixels.
type Size struct{ Width, Height int }

func (s Size) String() string { return fmt.Sprintf("%dx%d", s.Width, s.Height) }

// ParseSize reads "1280x720". Both must be even (the video format halves colour) and fit
// the limits of a small demo.
func ParseSize(text string) (Size, error) {
	w, h, ok := strings.Cut(text, "x")
	width, errW := strconv.Atoi(w)
	height, errH := strconv.Atoi(h)
	if !ok || errW != nil || errH != nil || width < 320 || height < 240 || width > 3840 || height > 2160 || width%2 != 0 || height%2 != 0 {
		return Size{}, fmt.Errorf("resolution %q: want WIDTHxHEIGHT, both even, from 320x240 to 3840x2160, such as 1280x720", text)
	}
	return Size{width, height}, nil
}

// Display is a running X server.
type Display struct {
	Name   string // for DISPLAY, such as ":0"
	Size   Size
	Frames *Framebuffer

	group  *process.Group
	server *process.Child
	dir    string
}

// Start starts the X server and returns when it takes connections.
func Start(ctx context.Context, group *process.Group, size Size) (*Display, error) {
	// An X server without root rights only warns about this folder, and fails if it
	// cannot make it; where it exists the mode is somebody else's choice.
	if err := os.Mkdir("/tmp/.X11-unix", 0o777); err == nil {
		_ = os.Chmod("/tmp/.X11-unix", os.ModeSticky|0o777)
	}
	dir, err := os.MkdirTemp(memoryDir(), "screen-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the screen's memory: %w", err)
	}
	d := &Display{Size: size, group: group, dir: dir}
	if err := d.start(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Display) start(ctx context.Context) error {
	number, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = number.Close() }()
	d.server, err = d.group.Start(process.Spec{
		Name: "Xvfb",
		Args: []string{
			"Xvfb", "-displayfd", "3", "-screen", "0", d.Size.String() + "x24", "-fbdir", d.dir,
			"-nolisten", "tcp", "-noreset", "-dpi", "96", "-s", "0",
			// GLX would load a software OpenGL stack of 100 MB at every start.
			"-extension", "GLX",
		},
		Files: []*os.File{nil, nil, nil, write},
	})
	_ = write.Close()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = number.SetReadDeadline(time.Now()) })
	defer stop()
	_ = number.SetReadDeadline(time.Now().Add(startTimeout))
	line, err := bufio.NewReader(number).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the X server Xvfb did not become ready within %s: %w: see its messages above", startTimeout, err)
	}
	d.Name = ":" + strings.TrimSpace(line)
	d.Frames, err = mapFramebuffer(filepath.Join(d.dir, "Xvfb_screen0"), d.Size)
	return err
}

// Ended closes when the X server has ended, wanted or not.
func (d *Display) Ended() <-chan struct{} { return d.server.Done() }

// Env is our environment with DISPLAY and the home folder set.
func (d *Display) Env(home string) []string {
	env := make([]string, 0, len(os.Environ())+2)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "DISPLAY=") && !strings.HasPrefix(e, "HOME=") {
			env = append(env, e)
		}
	}
	return append(env, "DISPLAY="+d.Name, "HOME="+home)
}

// KeepPrograms runs the window manager and the windows, starting again whatever the user
// closes, until ctx ends.
func (d *Display) KeepPrograms(ctx context.Context, log *slog.Logger, home string) {
	if err := writeTheme(d.dir); err != nil {
		log.Warn("the windows will look plain", "error", err.Error())
	}
	done := make(chan struct{})
	specs := programs(d.Size, d.Env(home), home, d.dir)
	for _, spec := range specs {
		go func() {
			defer func() { done <- struct{}{} }()
			d.group.Keep(ctx, spec, restartPause)
		}()
	}
	for range specs {
		<-done
	}
	log.Debug("windows closed")
}

// Close ends the X server and frees its memory.
func (d *Display) Close() {
	if d.server != nil {
		d.server.Signal(syscall.SIGTERM)
	}
	if d.Frames != nil {
		d.Frames.close()
	}
	_ = os.RemoveAll(d.dir)
}

// memoryDir is where files are memory, if such a place can be written.
func memoryDir() string {
	const shm = "/dev/shm"
	if probe, err := os.CreateTemp(shm, "probe-"); err == nil {
		_ = probe.Close()
		_ = os.Remove(probe.Name())
		return shm
	}
	return os.TempDir()
}
