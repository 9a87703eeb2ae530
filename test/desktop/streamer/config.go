package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/display"
)

// config is what the environment asks for. README.md has the table.
type config struct {
	addr       string
	basicUser  string
	basicPass  string // "" switches basic auth off
	size       display.Size
	frameRate  int
	bitrate    int // kilobits a second
	home       string
	loopback   bool
	startDelay time.Duration
	slowAccept time.Duration
	blockLoop  time.Duration
	crashes    int // how many starts fail; crashAlways for all
	stateDir   string
}

const (
	crashAlways = -1
	longestKnob = time.Hour
)

func readConfig(getenv func(string) string) (config, error) {
	var problems []error
	or := func(name, otherwise string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return otherwise
	}
	number := func(name string, otherwise, low, high int) int {
		text := or(name, strconv.Itoa(otherwise))
		n, err := strconv.Atoi(text)
		if err != nil || n < low || n > high {
			problems = append(problems, fmt.Errorf("%s %q: want a number from %d to %d", name, text, low, high))
		}
		return n
	}
	duration := func(name string) time.Duration {
		text := or(name, "0s")
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > longestKnob {
			problems = append(problems, fmt.Errorf("%s %q: want a duration such as 500ms or 3s, at most %s", name, text, longestKnob))
		}
		return d
	}
	flag := func(name string) bool {
		text := or(name, "false")
		on, err := strconv.ParseBool(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s %q: want true or false", name, text))
		}
		return on
	}
	size, err := display.ParseSize(or("DESKTOP_RESOLUTION", "1280x720"))
	if err != nil {
		problems = append(problems, fmt.Errorf("DESKTOP_RESOLUTION: %w", err))
	}
	c := config{
		addr: net.JoinHostPort(or("SELKIES_ADDR", "0.0.0.0"), strconv.Itoa(number("SELKIES_PORT", 8080, 1, 65535))),
		size: size, frameRate: number("DESKTOP_FRAMERATE", 15, 1, 60), bitrate: number("DESKTOP_BITRATE", 2500, 100, 50000),
		home: or("DESKTOP_HOME", "/home/user"), loopback: flag("DESKTOP_LOOPBACK_ONLY"),
		startDelay: duration("DESKTOP_START_DELAY"), slowAccept: duration("DESKTOP_SLOW_ACCEPT"), blockLoop: duration("DESKTOP_BLOCK_LOOP"),
		stateDir: or("DESKTOP_STATE_DIR", "/dev/shm"),
	}
	if flag("SELKIES_ENABLE_BASIC_AUTH") {
		c.basicUser, c.basicPass = or("SELKIES_BASIC_AUTH_USER", "user"), or("SELKIES_BASIC_AUTH_PASSWORD", "mypasswd")
	}
	switch text := getenv("DESKTOP_CRASH_ON_START"); text {
	case "", "false", "0":
	case "true":
		c.crashes = crashAlways
	default:
		c.crashes = number("DESKTOP_CRASH_ON_START", 0, 0, 1000)
	}
	return c, errors.Join(problems...)
}

// usableHome returns the wanted home or, when that cannot be written (a developer's
// machine), a fresh folder that does not persist.
func usableHome(wanted string) (home string, persists bool, err error) {
	if os.MkdirAll(wanted, 0o755) == nil {
		if probe, err := os.CreateTemp(wanted, ".probe-"); err == nil {
			_ = probe.Close()
			_ = os.Remove(probe.Name())
			return wanted, true, nil
		}
	}
	home, err = os.MkdirTemp("", "home-")
	return home, false, err
}
