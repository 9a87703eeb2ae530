package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
)

// trimmed is the folder, beside our go.mod, of a trimmed dependency.
const trimmed = "trimmed"

// Trim builds a module with a copy of one of its dependencies, in which a package that
// imports a great many others imports none.
type Trim struct {
	// Path names the dependency; its version is the one that the module requires.
	Path string
	// Folder is the package's, relative to the dependency; the folders below it go.
	Folder string
	// Source is all that is left of the package.
	Source string
}

// trim makes the copy of what goMod requires.
func (b Builder) trim(ctx context.Context, t *Trim, goMod []byte, to string) error {
	theirs, err := modfile.ParseLax("go.mod", goMod, nil)
	if err != nil {
		return err
	}
	for _, r := range theirs.Require {
		if r.Mod.Path != t.Path {
			continue
		}
		from, _, err := b.Download(ctx, r.Mod.Path, r.Mod.Version)
		if err != nil {
			return err
		}
		return t.copy(from, to)
	}
	return fmt.Errorf("%s is not required any more: there is nothing to trim", t.Path)
}

func (t *Trim) copy(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	dir := filepath.Join(to, filepath.FromSlash(t.Folder))
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, trimmed+".go"), []byte(t.Source), 0o644)
}
