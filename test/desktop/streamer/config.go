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
	protocol   protocolName
	token      string // that Selkies 2's clients must know; "" lets everybody in
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
	starting   time.Duration // Selkies 2: answers 503
	peerDelay  time.Duration // Selkies 2, WebRTC: the app is not registered yet
	crashes    int           // how many starts fail; crashAlways for all
	exits      int           // how many starts end at the first WebSocket
	exitAfter  time.Duration // 0 for never
	allowExit  bool          // POST /demo/exit
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
		starting: duration("DESKTOP_STARTING"), peerDelay: duration("DESKTOP_PEER_DELAY"), token: getenv("SELKIES_MASTER_TOKEN"),
		exits: number("DESKTOP_EXIT_ON_UPGRADE", 0, 0, 1000), exitAfter: duration("DESKTOP_EXIT_AFTER"), allowExit: flag("DESKTOP_ALLOW_EXIT"),
		stateDir: or("DESKTOP_STATE_DIR", "/dev/shm"),
	}
	if c.protocol, err = parseProtocol(or("DESKTOP_PROTOCOL", string(selkies1))); err != nil {
		problems = append(problems, err)
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
	if c.crashes > 0 && c.exits > 0 {
		problems = append(problems, errors.New("DESKTOP_CRASH_ON_START and DESKTOP_EXIT_ON_UPGRADE: set one of them, they count the same starts"))
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
