package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/build/image"
)

// committed is when the sources were.
var committed = time.Unix(1700000000, 0).UTC()

// sources are a repository with all that a release is made of, each as small as can be.
var sources = map[string]string{
	"go.mod":                             "module github.com/org/vdi-operator\n\ngo 1.26\n",
	"cmd/kubectl-vdi/main.go":            "package main\n\nfunc main() {}\n",
	"cmd/kubectl-vdi/" + completer:       "#!/bin/sh\n",
	"cmd/operator/main.go":               "package main\n\nfunc main() { println(1) }\n",
	"LICENSE":                            "free\n",
	"build/operator.yaml":                "name: ghcr.io/org/vdi-operator\ngo:\n  - {module: ., package: ./cmd/operator, path: /operator, version: true}\n",
	"charts/vdi-operator/Chart.yaml":     "apiVersion: v2\nname: vdi-operator\nversion: 0.3.0\nappVersion: 0.3.0\n",
	"charts/vdi-operator/values.yaml":    "{}\n",
	"charts/vdi-operator/templates/a.md": "a\n",
	"docs/changelog.md":                  "# Changelog\n\n## [0.3.0] - 2026-12-01\n\n### Added\n\n- A [thing](operations/limits.md#all), see [there](https://example.invalid/x.md).\n\n## [0.2.0] - 2026-11-01\n\n- Old.\n",
}

// given is a release of a fresh clone of the sources; change may make the clone another.
func given(t *testing.T, change map[string]string) Options {
	t.Helper()
	root := t.TempDir()
	write(t, root, sources)
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "."}, {"commit", "--quiet", "--message", "x"}} {
		cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.invalid"}, args...)...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	write(t, root, change)
	return Options{
		Builder:   image.Builder{Root: root, Cache: cache.Dir(t.TempDir()), Version: "v0.3.0", Revision: "0123456789abcdef0123456789abcdef01234567", Created: committed, Log: os.Stderr},
		Recipes:   []string{filepath.Join(root, "build", "operator.yaml")},
		Platforms: []string{"linux/amd64"},
		Kubectl:   []image.Target{{OS: "linux", Arch: "amd64"}, {OS: "windows", Arch: "amd64"}},
		Out:       t.TempDir(),
		Helm:      os.Getenv("HELM"),
		Maker:     "https://example.invalid/test",
		Progress:  new(strings.Builder),
	}
}

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
}
