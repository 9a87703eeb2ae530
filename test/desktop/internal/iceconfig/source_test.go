package iceconfig

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newSource(t *testing.T, env map[string]string) *Source {
	t.Helper()
	s, err := New(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return s
}

func TestWithoutSettingsThereAreNoServers(t *testing.T) {
	c := newSource(t, nil).Get(t.Context(), "u")
	require.Empty(t, c.ICEServers, "%+v", c)
	require.Equal(t, "all", c.ICETransportPolicy, "%+v", c)
	require.Equal(t, "NOT_BLOCKED", c.BlockStatus, "%+v", c)
}

func TestRESTServiceIsAskedAsSelkiesAsksIt(t *testing.T) {
	var calls atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.Header.Get("x-who") != "pod-7" || r.Header.Get("x-turn-protocol") != "tcp" || r.Header.Get("x-turn-tls") != "false" {
			t.Errorf("headers %v", r.Header)
		}
		_, _ = fmt.Fprint(w, `{"lifetimeDuration":"86400s","iceServers":[{"urls":"stun:s:1"},{"urls":["turn:t:2?transport=tcp"],"username":"9:u","credential":"c"}],"iceTransportPolicy":"relay"}`)
	}))
	t.Cleanup(service.Close)
	s := newSource(t, map[string]string{
		"SELKIES_TURN_REST_URI": service.URL, "SELKIES_TURN_REST_USERNAME": "pod-7",
		"SELKIES_TURN_REST_USERNAME_AUTH_HEADER": "x-who", "SELKIES_TURN_PROTOCOL": "tcp",
	})
	now := time.Now()
	s.now = func() time.Time { return now }
	want := []Server{{URLs: URLs{"stun:s:1"}}, {URLs: URLs{"turn:t:2?transport=tcp"}, Username: "9:u", Credential: "c"}}
	for range 3 {
		c := s.Get(t.Context(), "u")
		require.Equal(t, want, c.ICEServers, "%+v", c)
		require.True(t, c.RelayOnly(), "%+v", c)
	}
	require.EqualValues(t, 1, calls.Load(), "asked %d times within a minute, want once", calls.Load())
	now = now.Add(fresh + time.Second)
	service.Close()
	c := s.Get(t.Context(), "u")
	require.Equal(t, want, c.ICEServers, "after the service went: %+v, want what was known", c)
}

func TestPrefetchAsksUntilAnswered(t *testing.T) {
	var calls atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprint(w, `{"iceServers":[]}`)
	}))
	t.Cleanup(service.Close)
	newSource(t, map[string]string{"SELKIES_TURN_REST_URI": service.URL}).Prefetch(t.Context())
	require.EqualValues(t, 2, calls.Load(), "asked %d times, want 2", calls.Load())
}

func TestSharedSecretMakesTURNRESTCredentials(t *testing.T) {
	s := newSource(t, map[string]string{"SELKIES_TURN_HOST": "turn.example", "SELKIES_TURN_PORT": "3479", "SELKIES_TURN_SHARED_SECRET": "s3cret"})
	s.now = func() time.Time { return time.Unix(1000, 0) }
	c := s.Get(t.Context(), "a:b")
	turn := c.ICEServers[len(c.ICEServers)-1]
	mac := hmac.New(sha1.New, []byte("s3cret"))
	mac.Write([]byte("87400:a-b"))
	require.Equal(t, "turn:turn.example:3479?transport=udp", turn.URLs[0], "%+v", turn)
	require.Equal(t, "87400:a-b", turn.Username, "%+v", turn)
	require.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), turn.Credential, "%+v", turn)
}

func TestFixedUserWinsOverSharedSecret(t *testing.T) {
	s := newSource(t, map[string]string{
		"SELKIES_TURN_HOST": "t", "SELKIES_TURN_TLS": "true", "SELKIES_TURN_USERNAME": "u", "SELKIES_TURN_PASSWORD": "p", "SELKIES_TURN_SHARED_SECRET": "s",
		"DESKTOP_ICE_POLICY": "relay",
	})
	c := s.Get(t.Context(), "x")
	want := []Server{{URLs: URLs{"turns:t:3478?transport=udp"}, Username: "u", Credential: "p"}}
	require.Equal(t, want, c.ICEServers, "%+v", c)
	require.True(t, c.RelayOnly(), "%+v", c)
}

func TestBadSettingsSayWhatToWrite(t *testing.T) {
	for name, value := range map[string]string{"DESKTOP_ICE_POLICY": "direct", "SELKIES_TURN_REST_URI": "turn.example"} {
		_, err := New(func(n string) string { return map[string]string{name: value}[n] }, slog.New(slog.DiscardHandler))
		require.Error(t, err, "%v", err)
		require.Contains(t, err.Error(), name, "%v", err)
		assert.Contains(t, err.Error(), value, "%v", err)
	}
}

func TestParseRefusesServersWithoutAddress(t *testing.T) {
	for _, raw := range []string{`{"iceServers":[{}]}`, `<html>`, `{"iceServers":3}`} {
		_, err := Parse([]byte(raw))
		assert.Error(t, err, "Parse(%s) took it", raw)
	}
}
