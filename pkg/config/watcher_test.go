package config

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const enough = 10 * time.Second

// mounted is a folder as kubelet mounts a ConfigMap: the file is a link through a link
// that is swapped.
type mounted struct {
	*testing.T
	dir     string
	version int
}

func (m *mounted) write(content string) {
	m.Helper()
	m.version++
	data := filepath.Join(m.dir, "..data"+string(rune('a'+m.version)))
	next := filepath.Join(m.dir, "..next")
	for _, err := range []error{
		os.Mkdir(data, 0o755),
		os.WriteFile(filepath.Join(data, "config.yaml"), []byte(content), 0o600),
		os.Symlink(filepath.Base(data), next),
		os.Rename(next, filepath.Join(m.dir, "..data")),
	} {
		require.NoError(m, err)
	}
}

func TestTheClocksChangeWithTheFileAndNotWithABadOne(t *testing.T) {
	m := &mounted{T: t, dir: t.TempDir()}
	path := filepath.Join(m.dir, "config.yaml")
	require.NoError(t, os.Symlink("..data/config.yaml", path))
	m.write(least)
	start, err := Load(path)
	require.NoError(t, err)
	changes, results := make(chan Sessions, 9), make(chan error, 9)
	w := &Watcher{Path: path, Every: time.Millisecond, Sessions: start.Sessions, Log: logr.Discard(),
		Changed: func(s Sessions) { changes <- s }, Reloaded: func(err error) { results <- err }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()

	result := func(good bool) {
		t.Helper()
		select {
		case err := <-results:
			require.Equal(t, good, err == nil, "reloaded with %v", err)
		case <-time.After(enough):
			t.Fatal("no reload")
		}
	}
	changed := func(idle time.Duration) {
		t.Helper()
		select {
		case s := <-changes:
			require.Equal(t, idle, s.IdleTimeout.OrZero())
			require.Equal(t, start.Sessions.StartupTimeout.OrZero(), s.StartupTimeout.OrZero(), "changed to %+v", s)
		case <-time.After(enough):
			t.Fatal("no change")
		}
	}
	m.write(least + "sessions: {idleTimeout: 7m}\n")
	result(true)
	changed(7 * time.Minute)
	m.write(least + "sessions: {idleTimeout: 1s}\n")
	result(false)
	m.write("rubbish: [")
	result(false)
	m.write(least + "sessions: {idleTimeout: 0s}\n")
	result(true)
	changed(0)
	require.NoError(t, os.Remove(filepath.Join(m.dir, "..data")))
	result(false)
	// What comes back unchanged is good again and changes nothing.
	m.write(least + "sessions: {idleTimeout: 0s}\n")
	result(true)
	m.write(least + "knative: {applyConfig: false}\nsessions: {idleTimeout: 9m}\n")
	result(true)
	changed(9 * time.Minute)
	cancel()
	<-ended
	require.Empty(t, changes, "%d", len(changes))
	assert.Empty(t, results, "%d changes and %d reloads more than there were", len(changes), len(results))
}
