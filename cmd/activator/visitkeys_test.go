package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/auth/visit"
	"github.com/org/vdi-operator/pkg/keyset"
)

func TestVisitsStayGoodWhileTheirKeysAreReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	put := func(raw []byte) { require.NoError(t, os.WriteFile(path, raw, 0o600)) }
	set := keyset.New()
	put(set.Bytes())
	k, err := openVisitKeys(path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	raw, err := k.keys.Sign(visit.Visit{User: "a", Session: types.NamespacedName{Namespace: "n", Name: "s"}, UID: "1", Grant: visit.Grant{SignIn: "x"}}, time.Now())
	require.NoError(t, err)
	put(set.Announce().Turn().Bytes())
	k.Look()
	_, err = k.keys.Read(raw, time.Now())
	require.NoError(t, err)
	put([]byte("rubbish"))
	k.Look()
	_, err = k.keys.Read(raw, time.Now())
	require.NoError(t, err, "those before stay in use")
	_, err = openVisitKeys(filepath.Join(t.TempDir(), "none"), slog.New(slog.DiscardHandler))
	assert.ErrorContains(t, err, "--visit-keys")
}
