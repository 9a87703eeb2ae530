package mounted

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAFileThatIsMissingOrEmptyIsNamedWithItsFlag(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	for _, c := range []struct {
		content []byte
		says    string
	}{{nil, "no such file"}, {[]byte(" \n"), "is empty"}} {
		if c.content != nil {
			require.NoError(t, os.WriteFile(path, c.content, 0o600))
		}
		_, err := Read(path, "the keys (--keys)")
		require.ErrorContains(t, err, "the keys (--keys): ")
		require.ErrorContains(t, err, c.says)
	}
	require.NoError(t, os.WriteFile(path, []byte("key\n"), 0o600))
	raw, err := Read(path, "the keys (--keys)")
	require.NoError(t, err)
	assert.Equal(t, "key\n", string(raw))
}

func TestAChangeAndEachFailureAreToldOnce(t *testing.T) {
	var log bytes.Buffer
	var changed string
	var err error
	f := &Follower{Use: func() (string, error) { return changed, err }, Refused: "refused", Log: slog.New(slog.NewTextHandler(&log, nil))}
	lines := func() int {
		f.Look()
		return strings.Count(log.String(), "\n")
	}
	assert.Zero(t, lines(), "nothing has changed")
	err = errors.New("rubbish")
	assert.Equal(t, 1, lines())
	assert.Equal(t, 1, lines(), "the same again")
	err = errors.New("other rubbish")
	assert.Equal(t, 2, lines())
	err = nil
	assert.Equal(t, 2, lines(), "as it was before")
	err = errors.New("other rubbish")
	assert.Equal(t, 3, lines(), "it was good meanwhile")
	err, changed = nil, "they have changed"
	assert.Equal(t, 4, lines())
	assert.Contains(t, log.String(), "they have changed")
}
