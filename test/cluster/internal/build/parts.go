package build

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/org/vdi-operator/build/cache"
)

// Part builds one of this module's own main packages, test/cluster/parts/NAME, and returns
// the program. It is built again only when its sources or this module's dependencies change.
func (b Builder) Part(ctx context.Context, repo, name string) (string, error) {
	module := filepath.Join(repo, "test", "cluster")
	key, err := sourceKey(module, filepath.Join("parts", name))
	if err != nil {
		return "", fmt.Errorf("part %s: %w", name, err)
	}
	final := b.Cache.Path("bin", "parts-"+key, name)
	if cache.Has(final) {
		return final, nil
	}
	scratch, cleanup, err := b.Cache.Scratch(name)
	if err != nil {
		return "", err
	}
	defer cleanup()
	out := filepath.Join(scratch, name)
	if err := b.run(ctx, module, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, "./parts/"+name); err != nil {
		return "", fmt.Errorf("build part %s: %w", name, err)
	}
	return final, cache.Publish(out, final)
}

// sourceKey hashes a package's Go files and the module's requirements.
func sourceKey(module, pkg string) (string, error) {
	files := []string{"go.mod", "go.sum"}
	err := filepath.WalkDir(filepath.Join(module, pkg), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		relative, err := filepath.Rel(module, name)
		files = append(files, relative)
		return err
	})
	if err != nil {
		return "", err
	}
	ingredients := []string{runtime.Version(), runtime.GOARCH}
	for _, file := range files {
		raw, err := os.ReadFile(filepath.Join(module, file))
		if err != nil {
			return "", err
		}
		ingredients = append(ingredients, file, string(bytes.TrimSpace(raw)))
	}
	return cache.Key(ingredients...), nil
}
