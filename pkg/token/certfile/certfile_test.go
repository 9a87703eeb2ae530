package certfile

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/keys"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

func TestLinksAreCheckedByTheCertificateAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tls.crt")
	write := func(content []byte) { require.NoError(t, os.WriteFile(path, content, 0o600)) }
	first, certificate := tokentest.Certified(t)
	write(certificate)
	var log bytes.Buffer
	c, err := Open(path, "links", slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)

	opens := func(by *token.Signer) bool {
		sub := token.Subject{User: "ada", Session: types.NamespacedName{Namespace: "desktops", Name: "ada"}, UID: "1"}
		raw, err := by.Sign(token.AudienceSession, sub, time.Now(), time.Hour)
		require.NoError(t, err)
		_, _, err = c.Verifier.Verify(token.AudienceSession, raw, time.Now())
		return err == nil
	}
	c.Look()
	assert.True(t, opens(first), "the key is what it was")
	assert.Empty(t, log.String(), "nothing has changed")

	write([]byte("no certificate"))
	c.Look()
	c.Look()
	assert.True(t, opens(first), "the one before stays")
	assert.Equal(t, 1, strings.Count(log.String(), "cannot be used"), "%s", &log)

	second, certificate := tokentest.Certified(t)
	write(certificate)
	c.Look()
	assert.True(t, opens(second), "the new key's link")
	assert.False(t, opens(first), "the former key's link")
	assert.Contains(t, log.String(), "has changed")
}

func TestKeysThatComeAndGoAreTakenBesideTheCurrentOne(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, content []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	current, first := tokentest.Certified(t)
	next, second := tokentest.Certified(t)
	put("tls.crt", first)
	put(keys.NextCertificateKey, second)
	var log bytes.Buffer
	c, err := Open(filepath.Join(dir, "tls.crt"), "orders", slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	opens := func(by *token.Signer) bool {
		sub := token.Subject{User: "ada", Session: types.NamespacedName{Namespace: "desktops", Name: "ada"}, UID: "1"}
		raw, err := by.Sign(token.AudienceTURN, sub, time.Now(), time.Hour)
		require.NoError(t, err)
		_, _, err = c.Verifier.Verify(token.AudienceTURN, raw, time.Now())
		return err == nil
	}
	assert.True(t, opens(current))
	assert.True(t, opens(next), "before it is used anywhere")

	put("tls.crt", second)
	put(keys.FormerCertificatesKey, first)
	require.NoError(t, os.Remove(filepath.Join(dir, keys.NextCertificateKey)))
	c.Look()
	assert.True(t, opens(current))
	assert.True(t, opens(next))
	assert.Contains(t, log.String(), "stays good")

	put(keys.FormerCertificatesKey, []byte("none"))
	c.Look()
	assert.True(t, opens(current), "those before stay")
	require.NoError(t, os.Remove(filepath.Join(dir, keys.FormerCertificatesKey)))
	c.Look()
	assert.False(t, opens(current))
}
