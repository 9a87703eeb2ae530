package addons

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/test/cluster/internal/build"
)

// choice names the manifests that are wanted of a module which lies at dir.
type choice func(dir string) ([]string, error)

// these chooses files by their paths in the module.
func these(files ...string) choice {
	return func(dir string) ([]string, error) {
		var paths []string
		for _, file := range files {
			paths = append(paths, filepath.Join(dir, file))
		}
		return paths, nil
	}
}

// folder chooses every manifest of a folder of the module.
func folder(name string) choice {
	return func(dir string) ([]string, error) { return yamlFiles(filepath.Join(dir, name)) }
}

// gathered writes the manifests of a module into one file in the cache, followed by those
// of modules that it requires, at the versions that its go.mod says; it returns the file.
func gathered(ctx context.Context, b build.Builder, m build.Module, name string, own choice, required map[string]choice) (string, error) {
	final := b.Cache.Path("manifests", name+"-"+m.Version+".yaml")
	if cache.Has(final) {
		return final, nil
	}
	dir, goMod, err := b.Download(ctx, m.Path, m.Version)
	if err != nil {
		return "", err
	}
	files, err := own(dir)
	if err != nil {
		return "", err
	}
	raw, err := os.ReadFile(goMod)
	if err != nil {
		return "", err
	}
	requirements, err := modfile.ParseLax(goMod, raw, nil)
	if err != nil {
		return "", err
	}
	found := 0
	for _, r := range requirements.Require {
		choose := required[r.Mod.Path]
		if choose == nil {
			continue
		}
		found++
		sibling, _, err := b.Download(ctx, r.Mod.Path, r.Mod.Version)
		if err != nil {
			return "", err
		}
		chosen, err := choose(sibling)
		if err != nil {
			return "", err
		}
		files = append(files, chosen...)
	}
	if found != len(required) {
		return "", fmt.Errorf("%s %s requires %d of the %d modules whose manifests belong to it", m.Path, m.Version, found, len(required))
	}
	var stream bytes.Buffer
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&stream, "\n---\n%s", raw)
	}
	return final, publish(b.Cache, final, stream.Bytes())
}
