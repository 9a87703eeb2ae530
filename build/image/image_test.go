package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/build/cache"
)

func writeFile(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(text), mode))
}

// checkout is a repository with one Go program and some files, in a folder of its own.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "go.mod"), "module example.invalid/x\n\ngo 1.26\n", 0o644)
	writeFile(t, filepath.Join(root, "cmd", "x", "main.go"), "package main\n\nfunc main() { println(\"x\") }\n", 0o644)
	writeFile(t, filepath.Join(root, "etc", "a.conf"), "a", 0o600)
	writeFile(t, filepath.Join(root, "etc", "sub", "run.sh"), "#!/bin/sh\n", 0o700)
	return root
}

var spec = Spec{
	Name:        "example.invalid/x",
	Go:          []Program{{Module: ".", Package: "./cmd/x", Path: "/usr/bin/x"}},
	Files:       []File{{From: "etc", Path: "/etc/x", UID: 7}},
	Directories: []Directory{{Path: "/home/user", Mode: 0o700, UID: 65532, GID: 65532}},
	Links:       []Link{{Path: "/usr/bin/y", Target: "x"}},
	User:        "65532",
	Entrypoint:  []string{"/usr/bin/x"},
}

func archive(t *testing.T, root string) string {
	t.Helper()
	b := Builder{Root: root, Cache: cache.Dir(t.TempDir()), Log: os.Stderr}
	img, err := b.Build(t.Context(), spec)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "x.tar")
	require.NoError(t, WriteArchive(file, spec.Name+":dev", img))
	return file
}

func TestTheSameSourcesGiveTheSameBytes(t *testing.T) {
	var archives [][]byte
	for range 2 {
		raw, err := os.ReadFile(archive(t, checkout(t))) // another folder each time
		require.NoError(t, err)
		archives = append(archives, raw)
	}
	assert.Equal(t, string(archives[1]), string(archives[0]), "two builds of the same sources differ")
}

func TestAnArchiveTellsItsReferenceAndIdentity(t *testing.T) {
	found, err := ReadArchive(archive(t, checkout(t)))
	require.NoError(t, err)
	if len(found) != 1 || found[0].Reference != "example.invalid/x:dev" || !strings.HasPrefix(found[0].ConfigDigest, "sha256:") {
		t.Errorf("found %+v", found)
	}
}

// contents maps each path in an image to its header.
func contents(t *testing.T, img v1.Image) map[string]*tar.Header {
	t.Helper()
	found := map[string]*tar.Header{}
	layers, err := img.Layers()
	require.NoError(t, err)
	for _, l := range layers {
		raw, err := l.Uncompressed()
		require.NoError(t, err)
		r := tar.NewReader(raw)
		for {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			found["/"+strings.TrimSuffix(header.Name, "/")] = header
		}
	}
	return found
}

func TestAnImageHoldsWhatItsSpecNames(t *testing.T) {
	b := Builder{Root: checkout(t), Cache: cache.Dir(t.TempDir()), Log: os.Stderr}
	img, err := b.Build(t.Context(), spec)
	require.NoError(t, err)
	found := contents(t, img)
	for path, mode := range map[string]int64{"/usr/bin/x": 0o755, "/etc/x/a.conf": 0o644, "/etc/x/sub/run.sh": 0o755, "/home/user": 0o700, "/usr/bin/y": 0o777} {
		header, ok := found[path]
		require.True(t, ok, path)
		assert.Equal(t, mode, header.Mode, "%s: %+v", path, header)
	}
	require.Equal(t, 7, found["/etc/x/a.conf"].Uid)
	require.Equal(t, 65532, found["/home/user"].Gid)
	assert.Equal(t, "x", found["/usr/bin/y"].Linkname, "an owner or a link's target is lost")
	config, err := img.ConfigFile()
	require.NoError(t, err)
	if config.Config.User != "65532" || config.Config.Entrypoint[0] != "/usr/bin/x" || config.OS != "linux" || !hasPath(config.Config.Env) {
		t.Errorf("config is %+v", config)
	}
}

func TestAProgramsLayerIsNotTheFilesLayer(t *testing.T) {
	b := Builder{Root: checkout(t), Cache: cache.Dir(t.TempDir()), Log: os.Stderr}
	layersOf := func() []string {
		img, err := b.Build(t.Context(), spec)
		require.NoError(t, err)
		layers, err := img.Layers()
		require.NoError(t, err)
		var digests []string
		for _, l := range layers {
			digest, err := l.Digest()
			require.NoError(t, err)
			digests = append(digests, digest.String())
		}
		return digests
	}
	before := layersOf()
	writeFile(t, filepath.Join(b.Root, "cmd", "x", "main.go"), "package main\n\nfunc main() { println(\"changed\") }\n", 0o644)
	after := layersOf()
	require.Equal(t, before[0], after[0])
	assert.NotEqual(t, before[1], after[1], "layers before %v, after %v: only the program's should change", before, after)
}

func TestASpecWithAMistakeIsRefusedByName(t *testing.T) {
	for text, complaint := range map[string]string{
		"go: []":            "name is missing",
		"name: a/b:tag":     "tag",
		"name: a\nfile: []": "file",
		"name: a\nfiles: [{from: ../x, path: /x}]":                "files.from",
		"name: a\nfiles: [{from: x, path: etc/x}]":                "files.path",
		"name: a\nfiles: [{from: x, path: /x, mode: \"rwx\"}]":    "mode",
		"name: a\nenv: [A]":                                       "env",
		"name: a\ngo: [{module: /abs, package: ., path: /bin}]":   "go.module",
		"name: a\ndirectories: [{path: /a/../b, mode: \"0755\"}]": "directories.path",
	} {
		file := filepath.Join(t.TempDir(), "spec.yaml")
		writeFile(t, file, text, 0o644)
		_, err := ReadSpec(file)
		assert.ErrorContains(t, err, complaint, "%q", text)
	}
}

func TestAModeIsOctalQuotedOrNot(t *testing.T) {
	for _, mode := range []string{`"0755"`, `"755"`, `0755`} {
		file := filepath.Join(t.TempDir(), "spec.yaml")
		writeFile(t, file, "name: a\ndirectories: [{path: /a, mode: "+mode+"}]", 0o644)
		s, err := ReadSpec(file)
		require.NoError(t, err, mode)
		assert.EqualValues(t, 0o755, s.Directories[0].Mode, mode)
	}
}

func TestTheProjectsOwnSpecsAreValid(t *testing.T) {
	product, _ := filepath.Glob("../*.yaml")
	tests, _ := filepath.Glob("../../test/images/*.yaml")
	files := slices.Concat(product, tests)
	require.NotEmpty(t, product)
	require.NotEmpty(t, tests, "the specs found are %v, want the product's and the tests'", files)
	for _, file := range files {
		_, err := ReadSpec(file)
		assert.NoError(t, err)
	}
}

// repositories finds the values image.repository of a chart's values, at any depth.
func repositories(values any) []string {
	fields, ok := values.(map[string]any)
	if !ok {
		return nil
	}
	var found []string
	for name, value := range fields {
		if of, ok := value.(map[string]any); ok && name == "image" {
			if repository, ok := of["repository"].(string); ok {
				found = append(found, repository)
			}
		}
		found = append(found, repositories(value)...)
	}
	return found
}

func TestTheProductsImagesHaveTheNamesThatTheChartAsksFor(t *testing.T) {
	var asked, made []string
	for _, file := range []string{"../../charts/vdi-operator/values.yaml", "../../charts/vdi-operator/charts/coturn/values.yaml"} {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var values any
		require.NoError(t, yaml.Unmarshal(raw, &values))
		asked = append(asked, repositories(values)...)
	}
	recipes, err := filepath.Glob("../*.yaml")
	require.NoError(t, err)
	for _, file := range recipes {
		spec, err := ReadSpec(file)
		require.NoError(t, err)
		made = append(made, spec.Name)
	}
	assert.ElementsMatch(t, asked, made)
}

func TestAnImageForTwoArchitecturesIsOneWithBothPrograms(t *testing.T) {
	b := Builder{Root: checkout(t), Cache: cache.Dir(t.TempDir()), Version: "v0.3.0", Revision: "0123abcd", Created: time.Unix(1700000000, 0), Log: os.Stderr}
	index, err := b.Index(t.Context(), spec, []string{"amd64", "arm64"})
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	assert.Equal(t, types.OCIImageIndex, manifest.MediaType)
	assert.Equal(t, map[string]string{
		AnnotationSource: Source, AnnotationVersion: "v0.3.0", AnnotationRevision: "0123abcd", AnnotationCreated: "2023-11-14T22:13:20Z",
	}, manifest.Annotations)
	require.Len(t, manifest.Manifests, 2)
	for i, machine := range []elf.Machine{elf.EM_X86_64, elf.EM_AARCH64} {
		d := manifest.Manifests[i]
		assert.Empty(t, d.ArtifactType, "an image is no artefact")
		img, err := index.Image(d.Digest)
		require.NoError(t, err)
		config, err := img.ConfigFile()
		require.NoError(t, err)
		assert.Equal(t, d.Platform.Architecture, config.Architecture)
		assert.Equal(t, b.Created.Unix(), config.Created.Unix())
		assert.Equal(t, machine, machineOf(t, img, "usr/bin/x"))
	}
}

// machineOf is what a program in an image runs on.
func machineOf(t *testing.T, img v1.Image, name string) elf.Machine {
	t.Helper()
	layers, err := img.Layers()
	require.NoError(t, err)
	for _, l := range layers {
		raw, err := l.Uncompressed()
		require.NoError(t, err)
		var found elf.Machine
		require.NoError(t, eachEntry(raw, func(header *tar.Header, content io.Reader) error {
			if header.Name != name {
				return nil
			}
			program, err := io.ReadAll(content)
			require.NoError(t, err)
			file, err := elf.NewFile(bytes.NewReader(program))
			require.NoError(t, err)
			found = file.Machine
			return nil
		}))
		if found != elf.EM_NONE {
			return found
		}
	}
	return elf.EM_NONE
}

func TestARootFilesystemIsTrimmedAndUndated(t *testing.T) {
	var in, out bytes.Buffer
	w := tar.NewWriter(&in)
	for name, text := range map[string]string{
		"./bin/x": "x", "./etc/apt/sources.list": "mirror", "./etc/apt/sources.list.d/a.sources": "mirror", "./var/cache/apt/pkgcache.bin": "x",
		"./dev/null": "", "./etc/shadow": "root:*:20000:0:99999:7:::\n",
	} {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(text)), Uname: "root"}))
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, trimTar(&in, &out))
	kept := map[string]string{}
	for r := tar.NewReader(&out); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		raw, err := io.ReadAll(r)
		require.NoError(t, err)
		kept[header.Name] = string(raw)
		assert.True(t, header.ModTime.Equal(buildTime), "%s is dated %s", header.Name, header.ModTime)
	}
	require.Len(t, kept, 2)
	assert.Equal(t, "x", kept["bin/x"], "kept")
	got := kept["etc/shadow"]
	assert.True(t, strings.HasPrefix(got, "root:*:18262:"), "shadow is %q", got)
}

func TestSourcesAreTheDistributionsOwnInEitherFormat(t *testing.T) {
	apt := t.TempDir()
	writeFile(t, filepath.Join(apt, "sources.list"), "# comment\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian bookworm main contrib\ndeb-src http://mirror.invalid/debian bookworm main\n", 0o644)
	writeFile(t, filepath.Join(apt, "sources.list.d", "a.sources"), "Types: deb\n# note\nURIs: http://security.invalid/\nSuites: bookworm-security\nComponents: main\n\nTypes: deb\nURIs: http://vendor.invalid/\nSuites: bookworm\nComponents: stable\n", 0o644)
	writeFile(t, filepath.Join(apt, "sources.list.d", "b.sources"), "Enabled: no\nTypes: deb\nURIs: http://off.invalid/\nSuites: bookworm\nComponents: main\n", 0o644)
	got, err := hostSources(apt, "bookworm")
	require.NoError(t, err)
	for _, want := range []string{"URIs: http://mirror.invalid/debian", "Signed-By: /k.gpg", "URIs: http://security.invalid/"} {
		assert.Contains(t, got, want, "lacks")
	}
	for _, unwanted := range []string{"vendor.invalid", "off.invalid", "deb-src"} {
		assert.NotContains(t, got, unwanted, "holds")
	}
	_, err = hostSources(apt, "trixie")
	assert.Error(t, err, "sources of another release were accepted")
}

func TestOnlySettingsForReachingTheMirrorAreTaken(t *testing.T) {
	dump := "APT::Install-Recommends \"true\";\nAcquire::http::Proxy \"http://proxy.invalid\";\nAcquire::Check-Valid-Until \"false\";\nDPkg::Post-Invoke:: \"rm\";\n"
	lines := strings.Split(strings.TrimSpace(filterOptions(dump)), "\n")
	assert.Equal(t, []string{`Acquire::http::Proxy "http://proxy.invalid";`, `Acquire::Check-Valid-Until "false";`}, lines, "kept")
}
