// Package cache keeps what is expensive to make: compiled programs, root filesystems
// and images. Every entry appears whole or not at all, so an interrupted build never
// leaves something half-made under its final name.
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// keyDigits is how many hex digits of a hash name an entry: 48 bits are plenty for a
// folder with a few dozen entries.
const keyDigits = 12

// Dir is the root of a cache.
type Dir string

// Default is the cache folder used when neither --cache nor VDI_CACHE names one.
func Default() Dir {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/root"
	}
	return Dir(filepath.Join(home, ".cache", "vdi-operator"))
}

// Path joins elem to the cache's root.
func (d Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Key names an entry by what it is made from.
func Key(ingredients ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(ingredients, "\x00")))
	return hex.EncodeToString(sum[:])[:keyDigits]
}

// Scratch makes a temporary folder on the cache's own filesystem, so that what is built
// there can be renamed into place. The caller calls done when finished.
func (d Dir) Scratch(purpose string) (dir string, done func(), err error) {
	parent := d.Path("tmp")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, fmt.Errorf("cache folder: %w", err)
	}
	sweep(parent)
	dir, err = os.MkdirTemp(parent, purpose+"-")
	if err != nil {
		return "", nil, fmt.Errorf("cache folder: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// abandonedAfter is when a scratch folder is taken for one whose build was killed. No build
// takes nearly as long.
const abandonedAfter = 24 * time.Hour

// sweep removes abandoned scratch folders.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > abandonedAfter {
			_ = os.RemoveAll(filepath.Join(parent, e.Name()))
		}
	}
}

// Publish moves a finished file from a scratch folder to its final name.
func Publish(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// Has reports whether an entry exists.
func Has(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
