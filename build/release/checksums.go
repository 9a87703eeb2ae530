package release

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// checksumFile lists the release's files, as sha256sum --check reads them.
const checksumFile = "checksums.txt"

func (m *maker) checksums(context.Context) error {
	entries, err := os.ReadDir(m.dir) // in the order of their names
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(m.dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(raw), e.Name())
	}
	return m.write(checksumFile, []byte(text.String()))
}
