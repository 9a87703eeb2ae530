package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigDefaultsAndKnobs(t *testing.T) {
	c, err := readConfig(func(string) string { return "" })
	if err != nil || c.addr != "0.0.0.0:8080" || c.size.String() != "1280x720" || c.frameRate != 15 || c.home != "/home/user" || c.crashes != 0 || c.basicPass != "" || c.protocol != selkies1 {
		t.Fatalf("%+v, %v", c, err)
	}
	env := map[string]string{"SELKIES_PORT": "9", "DESKTOP_RESOLUTION": "800x600", "DESKTOP_BLOCK_LOOP": "2s", "DESKTOP_CRASH_ON_START": "3", "SELKIES_ENABLE_BASIC_AUTH": "true"}
	c, err = readConfig(func(n string) string { return env[n] })
	if err != nil || c.addr != "0.0.0.0:9" || c.size.Width != 800 || c.blockLoop != 2*time.Second || c.crashes != 3 || c.basicPass != "mypasswd" {
		t.Fatalf("%+v, %v", c, err)
	}
	env = map[string]string{"DESKTOP_CRASH_ON_START": "true"}
	c, err = readConfig(func(n string) string { return env[n] })
	require.NoError(t, err, "%+v", c)
	require.Equal(t, crashAlways, c.crashes, "%+v", c)
}

func TestAllBadSettingsAreNamedAtOnce(t *testing.T) {
	env := map[string]string{"SELKIES_PORT": "http", "DESKTOP_RESOLUTION": "big", "DESKTOP_SLOW_ACCEPT": "-1s", "DESKTOP_FRAMERATE": "0", "DESKTOP_LOOPBACK_ONLY": "perhaps", "DESKTOP_CRASH_ON_START": "x", "DESKTOP_PROTOCOL": "vnc", "DESKTOP_LAYOUT": "podium"}
	_, err := readConfig(func(n string) string { return env[n] })
	require.Error(t, err, "took them")
	for name, value := range env {
		require.Contains(t, err.Error(), name)
		assert.Contains(t, err.Error(), value, "is not named in: %v", err)
	}
}

func TestEachLayoutListensWhereItsImageDoes(t *testing.T) {
	for name, c := range map[string]struct {
		env      map[string]string
		addr     string
		front    frontConfig
		home     string
		protocol protocolName
	}{
		"egl": {map[string]string{"DESKTOP_LAYOUT": "egl", "SELKIES_ENABLE_BASIC_AUTH": "false"},
			"127.0.0.1:8081", frontConfig{port: 8080, upstream: 8081, folder: "/"}, "/home/user", selkies1},
		"egl with a password, unless told otherwise": {map[string]string{"DESKTOP_LAYOUT": "egl", "NGINX_PORT": "9000", "PASSWD": "secret"},
			"127.0.0.1:8081", frontConfig{port: 9000, upstream: 8081, folder: "/", user: "ubuntu", password: "secret"}, "/home/user", selkies1},
		"egl with Selkies on nginx's port": {map[string]string{"DESKTOP_LAYOUT": "egl", "SELKIES_PORT": "8080", "SELKIES_ENABLE_BASIC_AUTH": "False"},
			"127.0.0.1:8080", frontConfig{port: 8080, upstream: 8080, folder: "/"}, "/home/user", selkies1},
		"linuxserver": {map[string]string{"DESKTOP_LAYOUT": "linuxserver"},
			"0.0.0.0:8082", frontConfig{port: 3000, upstream: 8082, folder: "/", user: "abc"}, "/config", linuxServer},
		"linuxserver with settings": {map[string]string{"DESKTOP_LAYOUT": "linuxserver", "CUSTOM_PORT": "3100", "CUSTOM_WS_PORT": "8100", "SUBFOLDER": "/desk/", "PASSWORD": "secret"},
			"0.0.0.0:8100", frontConfig{port: 3100, upstream: 8100, folder: "/desk/", user: "abc", password: "secret"}, "/config", linuxServer},
		"linuxserver with Selkies on nginx's port": {map[string]string{"DESKTOP_LAYOUT": "linuxserver", "SELKIES_PORT": "3000"},
			"0.0.0.0:3000", frontConfig{port: 3000, upstream: 8082, folder: "/", user: "abc"}, "/config", linuxServer},
	} {
		got, err := readConfig(func(n string) string { return c.env[n] })
		if err != nil || got.addr != c.addr || got.front != c.front || got.home != c.home || got.protocol != c.protocol {
			t.Errorf("%s: %s, %+v, %s, %s, %v", name, got.addr, got.front, got.home, got.protocol, err)
		}
	}
}

func TestALayoutIsRefusedWhereItsImagesDoNotSpeakTheProtocol(t *testing.T) {
	for layout, protocol := range map[layoutName]protocolName{egl: plain, lsio: selkies1} {
		env := map[string]string{"DESKTOP_LAYOUT": string(layout), "DESKTOP_PROTOCOL": string(protocol)}
		_, err := readConfig(func(n string) string { return env[n] })
		if err == nil {
			t.Errorf("%s took %s", layout, protocol)
			continue
		}
		for _, word := range []string{"DESKTOP_LAYOUT", string(layout), string(protocol), string(speaks[layout][0]), "bare"} {
			assert.Contains(t, err.Error(), word, "%v does not say", err)
		}
	}
}

func TestAKnobForTheFirstStartsCountsThem(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []bool{true, true, false, false} {
		is, err := countStart("KNOB", 2, dir)
		require.Equal(t, want, is)
		require.NoError(t, err, "start %d", i+1)
	}
	_, err := countStart("KNOB", 1, "/does/not/exist")
	require.ErrorContains(t, err, "KNOB", "a count that cannot be kept was accepted")
}
