package build

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/build/cache"
)

const upstream = `module k8s.io/kubernetes

go 1.25.0

godebug default=go1.25

require k8s.io/api v0.0.0

replace k8s.io/api => ./staging/src/k8s.io/api
replace a.invalid/x v1.0.0 => b.invalid/x v1.1.0

exclude c.invalid/y v1.0.0
`

func TestTheWrapperRepeatsWhatGoHonoursInTheMainModuleOnly(t *testing.T) {
	text, err := wrapper(Module{Path: "k8s.io/kubernetes", Version: "v1.35.4", Staging: "v0.35.4"}, []byte(upstream))
	require.NoError(t, err)
	for _, want := range []string{
		"go 1.25.0", "godebug default=go1.25", "require k8s.io/kubernetes v1.35.4", "k8s.io/api => k8s.io/api v0.35.4",
		"a.invalid/x v1.0.0 => b.invalid/x v1.1.0", "exclude c.invalid/y v1.0.0",
	} {
		assert.Contains(t, string(text), want, "lacks, %s", text)
	}
}

func TestATrimmedDependencyIsACopyWithoutThatPart(t *testing.T) {
	text, err := wrapper(Module{Path: "c.invalid/m", Version: "v1.0.0", Trim: &Trim{Path: "a.invalid/x"}}, []byte("module c.invalid/m\n\nrequire a.invalid/x v1.2.3\n"))
	require.NoError(t, err, "%s", text)
	assert.Contains(t, string(text), "a.invalid/x => ./trimmed", "%s", text)
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "trimmed")
	for name, content := range map[string]string{"go.mod": "module a.invalid/x", "kept/k.go": "package kept", "all/all.go": "package all // everything", "all/all_test.go": "package all", "all/one/one.go": "package one"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(source, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(source, name), []byte(content), 0o444))
	}
	require.NoError(t, (&Trim{Folder: "all", Source: "package all // nothing"}).copy(source, target))
	var files []string
	_ = filepath.WalkDir(target, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(name, target+"/"))
		}
		return err
	})
	assert.Equal(t, "all/trimmed.go go.mod kept/k.go", strings.Join(files, " "), "left")
}

func TestWhatIsTrimmedIsPartOfTheKey(t *testing.T) {
	m := Traefik()
	whole := m
	whole.Trim = nil
	assert.NotEqual(t, whole.key(), m.key(), "a trimmed program and a whole one share a place in the cache")
}

func TestAReplacementByAFolderNeedsAVersion(t *testing.T) {
	_, err := wrapper(Module{Path: "k8s.io/kubernetes", Version: "v1.35.4"}, []byte(upstream))
	assert.ErrorContains(t, err, "k8s.io/api")
}

func TestKubernetesKnowsItsVersion(t *testing.T) {
	m := Kubernetes()
	for _, want := range []string{"gitVersion=" + m.Version, "gitMajor=1", "gitMinor="} {
		assert.Contains(t, m.LinkerFlags, want, "linker flags lack")
	}
	assert.True(t, strings.HasPrefix(m.Staging, "v0."), "staging version is %s", m.Staging)
}

func TestWhatIsInTheCacheIsNotBuiltAgain(t *testing.T) {
	b := Builder{Cache: cache.Dir(t.TempDir()), Log: io.Discard}
	m := Module{Path: "example.invalid/none", Version: "v1.0.0", Packages: []string{"cmd/a", "."}}
	for _, program := range []string{"a", "none"} {
		assert.False(t, b.Has(m), "said to be built before it is whole")
		file := b.Path(m, program)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, nil, 0o755))
	}
	if dir, err := b.Binaries(t.Context(), m); err != nil || dir != filepath.Dir(b.Path(m, "a")) || !b.Has(m) {
		t.Errorf("%s, %v", dir, err) // building would have failed: there is no such module
	}
}

func TestAPartIsKeyedByItsSources(t *testing.T) {
	module := t.TempDir()
	key := func(files map[string]string) string {
		t.Helper()
		for name, text := range files {
			file := filepath.Join(module, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		}
		k, err := sourceKey(module, "parts/x")
		require.NoError(t, err)
		return k
	}
	first := key(map[string]string{"go.mod": "module x", "go.sum": "", "parts/x/main.go": "package main"})
	assert.Equal(t, first, key(map[string]string{"parts/x/main_test.go": "package main", "other.go": "package x"}),
		"a file that is not built into the part changed its key")
	assert.NotEqual(t, first, key(map[string]string{"parts/x/main.go": "package main // changed"}), "a changed source kept the key")
}
