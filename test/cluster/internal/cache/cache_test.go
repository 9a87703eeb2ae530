package cache

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAKeyDependsOnEveryIngredientAndTheirBounds(t *testing.T) {
	if Key("ab", "c") == Key("a", "bc") || Key("a") == Key("a", "") {
		t.Error("different ingredients have the same key")
	}
	const known = "59b271ae1bbc" // of "a", NUL, "b": caches on disk depend on it
	if got := Key("a", "b"); got != known {
		t.Errorf("the key is %s and was %s", got, known)
	}
}

func TestWhatABuildLeftBehindIsSweptAfterADay(t *testing.T) {
	d := Dir(t.TempDir())
	abandoned, _, err := d.Scratch("x")
	if err != nil {
		t.Fatal(err)
	}
	running, _, err := d.Scratch("x")
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * abandonedAfter)
	if err := os.Chtimes(abandoned, old, old); err != nil {
		t.Fatal(err)
	}
	fresh, done, err := d.Scratch("x")
	if err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	half, final := filepath.Join(scratch, "a"), d.Path("bin", "new", "a")
	if err := os.WriteFile(half, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Publish(half, final); err != nil || !Has(final) || Has(half) {
		t.Errorf("error %v", err)
	}
}
