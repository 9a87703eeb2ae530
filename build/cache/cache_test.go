package cache

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAKeyDependsOnEveryIngredientAndTheirBounds(t *testing.T) {
	require.NotEqual(t, Key("a", "bc"), Key("ab", "c"))
	assert.NotEqual(t, Key("a", ""), Key("a"), "different ingredients have the same key")
	const known = "59b271ae1bbc" // of "a", NUL, "b": caches on disk depend on it
	assert.Equal(t, known, Key("a", "b"), "the key")
}

func TestWhatABuildLeftBehindIsSweptAfterADay(t *testing.T) {
	d := Dir(t.TempDir())
	abandoned, _, err := d.Scratch("x")
	require.NoError(t, err)
	running, _, err := d.Scratch("x")
	require.NoError(t, err)
	old := time.Now().Add(-2 * abandonedAfter)
	require.NoError(t, os.Chtimes(abandoned, old, old))
	fresh, done, err := d.Scratch("x")
	require.NoError(t, err)
	if Has(abandoned) || !Has(running) || !Has(fresh) {
		t.Errorf("abandoned %t, running %t, fresh %t", Has(abandoned), Has(running), Has(fresh))
	}
	if done(); Has(fresh) {
		t.Error("a finished build's folder stays")
	}
}

func TestAnEntryAppearsUnderItsFinalName(t *testing.T) {
	d := Dir(t.TempDir())
	scratch, done, err := d.Scratch("x")
	require.NoError(t, err)
	defer done()
	half, final := filepath.Join(scratch, "a"), d.Path("bin", "new", "a")
	require.NoError(t, os.WriteFile(half, []byte("x"), 0o755))
	if err := Publish(half, final); err != nil || !Has(final) || Has(half) {
		t.Errorf("error %v", err)
	}
}
