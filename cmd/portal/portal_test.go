package main

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/keyset"
)

const good = `url: {domain: vdi.example.com}
auth: {oidc: {issuer: "https://login.example.com", clientID: vdi}}
portal: {host: portal.vdi.example.com, service: vdi-portal, namespace: vdi-system, port: 80, internalPort: 8081}
`

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestAMissingInputIsNamed(t *testing.T) {
	cfg, keys := write(t, "config.yaml", good), write(t, "keys", string(keyset.New().Bytes()))
	for name, c := range map[string]struct {
		flags flags
		says  string
	}{
		"no configuration":     {flags{config: "none"}, "configuration"},
		"no provider":          {flags{config: write(t, "c", "url: {domain: vdi.example.com}\n")}, "auth.oidc is missing"},
		"no keys":              {flags{config: cfg, keys: "none"}, "--portal-keys"},
		"bad keys":             {flags{config: cfg, keys: write(t, "keys", "secret\n")}, "line 1"},
		"no secret":            {flags{config: cfg, keys: keys, clientSecret: "none"}, "--client-secret"},
		"an empty secret":      {flags{config: cfg, keys: keys, clientSecret: write(t, "s", "\n")}, "is empty"},
		"no certificates":      {flags{config: cfg, keys: keys, ca: "none"}, "--ca"},
		"none in their file":   {flags{config: cfg, keys: keys, ca: write(t, "ca", "x")}, "--ca"},
		"a portal without one": {flags{config: write(t, "c", "url: {domain: a.example.com}\nauth: {oidc: {issuer: 'https://a', clientID: b}}\n")}, "portal"},
	} {
		_, err := readInputs(c.flags, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, c.says, name)
		assert.NotContains(t, err.Error(), "secret\n")
	}
	in, err := readInputs(flags{config: cfg, keys: keys}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	secret, err := in.secret()
	require.NoError(t, err)
	assert.Empty(t, secret, "a public client")
	assert.Equal(t, config.DefaultPortal().SignInsPerAddress, in.config.Portal.SignInsPerAddress)
}

func TestKeysAreFollowed(t *testing.T) {
	set := keyset.New()
	path := write(t, "keys", string(set.Bytes()))
	var log bytes.Buffer
	k, err := openKeys(path, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	sealed := k.box.Seal([]byte("x"), "a")
	put := func(content string) {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		k.Look()
	}
	put(string(set.Bytes()))
	assert.Empty(t, log.String(), "nothing has changed")
	put("rubbish")
	put("rubbish")
	assert.Equal(t, 1, strings.Count(log.String(), "cannot be used"))
	assert.NotContains(t, log.String(), "rubbish")
	_, err = k.box.Open(sealed, "a")
	require.NoError(t, err, "those before stay")
	put(string(set.Announce().Turn().Bytes()))
	assert.Contains(t, log.String(), "have changed")
	_, err = k.box.Open(sealed, "a")
	require.NoError(t, err, "the former one still opens")
	put(string(keyset.New().Bytes()))
	_, err = k.box.Open(sealed, "a")
	require.Error(t, err)
}

func TestThePortalWatchesItsSignInsAndTheSessionsItServes(t *testing.T) {
	cfg := config.Default()
	cfg.Namespaces = []string{"a", "b"}
	o := cacheOptions(runtime.NewScheme(), cfg)
	assert.Equal(t, []string{"a", "b"}, slices.Sorted(maps.Keys(o.DefaultNamespaces)))
	require.Len(t, o.ByObject, 1)
	for _, of := range o.ByObject {
		assert.Equal(t, []string{"vdi-system"}, slices.Sorted(maps.Keys(of.Namespaces)))
	}
}

func TestAPortalIsReadyWhenItServesAndUntilTheSignal(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r := &readiness{stopping: ctx}
	require.Error(t, r.check())
	r.serves.Store(true)
	require.NoError(t, r.check())
	stop()
	require.ErrorContains(t, r.check(), "shutting down")
}
