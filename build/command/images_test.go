package command

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/build/image"
)

// checkout is a repository with one recipe, which it returns too.
func checkout(t *testing.T) (root, recipe string) {
	t.Helper()
	root = t.TempDir()
	for file, text := range map[string]string{
		"go.mod":       "module example.invalid/x\n\ngo 1.26\n",
		"main.go":      "package main\n\nfunc main() {}\n",
		"build/x.yaml": "name: ghcr.io/org/x\ngo:\n  - {module: ., package: ., path: /x}\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(text), 0o644))
	}
	return root, filepath.Join(root, "build", "x.yaml")
}

// run runs the builder and returns what it printed.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := New()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(append(args, "--cache", t.TempDir()))
	err := root.ExecuteContext(t.Context())
	return strings.TrimSpace(out.String()), err
}

func TestAPushedImageIsThereForEachPlatformUnderTheChartsName(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	root, recipe := checkout(t)
	reference, err := run(t, "push", "--repo", root, "--tag", "0.3.0", "--registry", host+"/vdi", recipe)
	require.NoError(t, err)
	assert.Equal(t, host+"/vdi/org/x:0.3.0", reference)
	pushed, err := crane.Manifest(reference)
	require.NoError(t, err)
	for _, arch := range []string{"amd64", "arm64"} {
		assert.Contains(t, string(pushed), `"platform":{"architecture":"`+arch+`","os":"linux"}`)
	}
}

func TestAnArchiveHasItsImageUnderTheRegistryThatIsAskedFor(t *testing.T) {
	root, recipe := checkout(t)
	out := t.TempDir()
	reference, err := run(t, "images", "--repo", root, "--tag", "dev", "--registry", "dev.local", "--out", out, recipe)
	require.NoError(t, err)
	assert.Equal(t, "dev.local/org/x:dev", reference)
	found, err := image.ReadArchive(filepath.Join(out, "x.tar"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, reference, found[0].Reference)
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	root, recipe := checkout(t)
	for complaint, args := range map[string][]string{
		`"registry" not set`:       {"push", recipe},
		`platform "plan9/386"`:     {"push", "--registry", "localhost:1", "--platform", "plan9/386", recipe},
		"run this by make release": {"release", "--version", "v0.3.0", recipe},
	} {
		_, err := run(t, append(args, "--repo", root)...)
		assert.ErrorContains(t, err, complaint)
	}
}

func TestTheSourcesTimeIsInSeconds(t *testing.T) {
	at, err := sourceDate("1700000000")
	require.NoError(t, err)
	assert.EqualValues(t, 1700000000, at.Unix())
	at, err = sourceDate("")
	require.NoError(t, err)
	assert.True(t, at.IsZero())
	_, err = sourceDate("yesterday")
	assert.ErrorContains(t, err, `SOURCE_DATE_EPOCH is "yesterday"`)
}
