package main

import (
	"strings"
	"testing"
	"time"
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
	if c, err = readConfig(func(n string) string { return env[n] }); err != nil || c.crashes != crashAlways {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestAllBadSettingsAreNamedAtOnce(t *testing.T) {
	env := map[string]string{"SELKIES_PORT": "http", "DESKTOP_RESOLUTION": "big", "DESKTOP_SLOW_ACCEPT": "-1s", "DESKTOP_FRAMERATE": "0", "DESKTOP_LOOPBACK_ONLY": "perhaps", "DESKTOP_CRASH_ON_START": "x", "DESKTOP_PROTOCOL": "vnc"}
	_, err := readConfig(func(n string) string { return env[n] })
	if err == nil {
		t.Fatal("took them")
	}
	for name, value := range env {
		if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), value) {
			t.Errorf("%s=%s is not named in: %v", name, value, err)
		}
	}
}

func TestAKnobForTheFirstStartsCountsThem(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []bool{true, true, false, false} {
		if is, err := countStart("KNOB", 2, dir); is != want || err != nil {
			t.Fatalf("start %d: %t, %v; want %t", i+1, is, err, want)
		}
	}
	if _, err := countStart("KNOB", 1, "/does/not/exist"); err == nil || !strings.Contains(err.Error(), "KNOB") {
		t.Fatalf("a count that cannot be kept was accepted: %v", err)
	}
}
