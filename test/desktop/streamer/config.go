package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/org/vdi-operator/test/desktop/internal/display"
	"github.com/org/vdi-operator/test/desktop/internal/rootstart"
)

// config is what the environment asks for. README.md has the table.
type config struct {
	layout     layoutName
	front      frontConfig // of the layouts that have one
	user       rootstart.User
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
	firstAsk   time.Duration // of that loop, from when the port listens
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
	durationOr := func(name string, otherwise time.Duration) time.Duration {
		text := or(name, otherwise.String())
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > longestKnob {
			problems = append(problems, fmt.Errorf("%s %q: want a duration such as 500ms or 3s, at most %s", name, text, longestKnob))
		}
		return d
	}
	duration := func(name string) time.Duration { return durationOr(name, 0) }
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
		size: size, frameRate: number("DESKTOP_FRAMERATE", 15, 1, 60), bitrate: number("DESKTOP_BITRATE", 2500, 100, 50000),
		loopback:   flag("DESKTOP_LOOPBACK_ONLY"),
		startDelay: duration("DESKTOP_START_DELAY"), slowAccept: duration("DESKTOP_SLOW_ACCEPT"), blockLoop: duration("DESKTOP_BLOCK_LOOP"),
		firstAsk: durationOr("DESKTOP_FIRST_ASK", firstAsk),
		starting: duration("DESKTOP_STARTING"), peerDelay: duration("DESKTOP_PEER_DELAY"), token: getenv("SELKIES_MASTER_TOKEN"),
		exits: number("DESKTOP_EXIT_ON_UPGRADE", 0, 0, 1000), exitAfter: duration("DESKTOP_EXIT_AFTER"), allowExit: flag("DESKTOP_ALLOW_EXIT"),
		stateDir: or("DESKTOP_STATE_DIR", "/dev/shm"),
	}
	port := func(name string, otherwise int) int { return number(name, otherwise, 1, 65535) }
	at := func(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
	home := "/home/user"
	if c.layout, err = parseLayout(or("DESKTOP_LAYOUT", string(bare))); err != nil {
		problems = append(problems, err)
	}
	switch c.layout {
	case egl:
		c.front = frontConfig{port: port("NGINX_PORT", 8080), upstream: port("SELKIES_PORT", 8081), folder: "/"}
		c.addr = at("127.0.0.1", c.front.upstream)
		if strings.ToLower(getenv("SELKIES_ENABLE_BASIC_AUTH")) != "false" {
			c.front.user, c.front.password = or("SELKIES_BASIC_AUTH_USER", "ubuntu"), or("SELKIES_BASIC_AUTH_PASSWORD", or("PASSWD", "mypasswd"))
		}
	case lsio:
		home = "/config"
		c.front = frontConfig{port: port("CUSTOM_PORT", 3000), upstream: port("CUSTOM_WS_PORT", 8082), folder: or("SUBFOLDER", "/"),
			user: or("CUSTOM_USER", "abc"), password: getenv("PASSWORD")}
		if f := c.front.folder; f[0] != '/' || f[len(f)-1] != '/' {
			problems = append(problems, fmt.Errorf("SUBFOLDER %q: want a path with a slash at both ends, such as /desk/", f))
		}
		c.addr = at("0.0.0.0", port("SELKIES_PORT", c.front.upstream))
		c.user = rootstart.User{UID: number("PUID", 911, 1, 1<<31-1), GID: number("PGID", 911, 1, 1<<31-1)}
	default:
		c.addr = at(or("SELKIES_ADDR", "0.0.0.0"), port("SELKIES_PORT", 8080))
		if flag("SELKIES_ENABLE_BASIC_AUTH") {
			c.basicUser, c.basicPass = or("SELKIES_BASIC_AUTH_USER", "user"), or("SELKIES_BASIC_AUTH_PASSWORD", "mypasswd")
		}
	}
	c.home = or("DESKTOP_HOME", home)
	if c.protocol, err = parseProtocol(or("DESKTOP_PROTOCOL", string(c.layout.protocol()))); err != nil {
		problems = append(problems, err)
	} else if c.layout != "" {
		if err := c.layout.fits(c.protocol); err != nil {
			problems = append(problems, err)
		}
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
