package release

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// checksumFile lists the release's files, as sha256sum --check reads them.
	checksumFile = "checksums.txt"
	// layoutsFolder has the images and the chart, each of whose files is named by its digest.
	layoutsFolder = "images"
)

func (m *maker) checksums(context.Context) error {
	var text strings.Builder
	err := filepath.WalkDir(m.dir, func(file string, d fs.DirEntry, err error) error { // in the order of their names
		switch {
		case err != nil:
			return err
		case d.IsDir() && file == filepath.Join(m.dir, layoutsFolder):
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(m.dir, file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(raw), filepath.ToSlash(name))
		return nil
	})
	if err != nil {
		return err
	}
	return m.write(checksumFile, []byte(text.String()))
}
