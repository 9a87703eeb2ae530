package agent

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheProgramIsCopiedForEverybodyToRunAlsoOverAnEarlierCopy(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	want, err := os.ReadFile(self)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "agent")
	for range 2 {
		require.NoError(t, Copy(path))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, len(want), len(got))
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o555), info.Mode().Perm()&0o555)
	}
	assert.Error(t, Copy(filepath.Join(path, "below")))
}
