package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/org/vdi-operator/test/cluster/internal/cache"
)

func writeFile(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.tar")
	if err := WriteArchive(file, spec.Name+":dev", img); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheSameSourcesGiveTheSameBytes(t *testing.T) {
	var archives [][]byte
	for range 2 {
		raw, err := os.ReadFile(archive(t, checkout(t))) // another folder each time
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, raw)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two builds of the same sources differ")
	}
}

func TestAnArchiveTellsItsReferenceAndIdentity(t *testing.T) {
	found, err := ReadArchive(archive(t, checkout(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Reference != "example.invalid/x:dev" || !strings.HasPrefix(found[0].ConfigDigest, "sha256:") {
		t.Errorf("found %+v", found)
	}
}

// contents maps each path in an image to its header.
func contents(t *testing.T, img v1.Image) map[string]*tar.Header {
	t.Helper()
	found := map[string]*tar.Header{}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		raw, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		r := tar.NewReader(raw)
		for {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			found["/"+strings.TrimSuffix(header.Name, "/")] = header
		}
	}
	return found
}

func TestAnImageHoldsWhatItsSpecNames(t *testing.T) {
	b := Builder{Root: checkout(t), Cache: cache.Dir(t.TempDir()), Log: os.Stderr}
	img, err := b.Build(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	found := contents(t, img)
	for path, mode := range map[string]int64{"/usr/bin/x": 0o755, "/etc/x/a.conf": 0o644, "/etc/x/sub/run.sh": 0o755, "/home/user": 0o700, "/usr/bin/y": 0o777} {
		header, ok := found[path]
		if !ok || header.Mode != mode {
			t.Errorf("%s: %+v, want mode %o", path, header, mode)
		}
	}
	if found["/etc/x/a.conf"].Uid != 7 || found["/home/user"].Gid != 65532 || found["/usr/bin/y"].Linkname != "x" {
		t.Error("an owner or a link's target is lost")
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532" || config.Config.Entrypoint[0] != "/usr/bin/x" || config.OS != "linux" || !hasPath(config.Config.Env) {
		t.Errorf("config is %+v", config)
	}
}

func TestAProgramsLayerIsNotTheFilesLayer(t *testing.T) {
	b := Builder{Root: checkout(t), Cache: cache.Dir(t.TempDir()), Log: os.Stderr}
	layersOf := func() []string {
		img, err := b.Build(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		var digests []string
		for _, l := range layers {
			digest, err := l.Digest()
			if err != nil {
				t.Fatal(err)
			}
			digests = append(digests, digest.String())
		}
		return digests
	}
	before := layersOf()
	writeFile(t, filepath.Join(b.Root, "cmd", "x", "main.go"), "package main\n\nfunc main() { println(\"changed\") }\n", 0o644)
	after := layersOf()
	if before[0] != after[0] || before[1] == after[1] {
		t.Errorf("layers before %v, after %v: only the program's should change", before, after)
	}
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
		if _, err := ReadSpec(file); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%q: error is %v, want one about %s", text, err, complaint)
		}
	}
}

func TestAModeIsOctalQuotedOrNot(t *testing.T) {
	for _, mode := range []string{`"0755"`, `"755"`, `0755`} {
		file := filepath.Join(t.TempDir(), "spec.yaml")
		writeFile(t, file, "name: a\ndirectories: [{path: /a, mode: "+mode+"}]", 0o644)
		s, err := ReadSpec(file)
		if err != nil || s.Directories[0].Mode != 0o755 {
			t.Errorf("%s: %o, %v", mode, s.Directories[0].Mode, err)
		}
	}
}

func TestTheProjectsOwnSpecsAreValid(t *testing.T) {
	product, _ := filepath.Glob("../../../../build/*.yaml")
	tests, _ := filepath.Glob("../../../images/*.yaml")
	files := slices.Concat(product, tests)
	if len(product) == 0 || len(tests) == 0 {
		t.Fatalf("the specs found are %v, want the product's and the tests'", files)
	}
	for _, file := range files {
		if _, err := ReadSpec(file); err != nil {
			t.Error(err)
		}
	}
}

func TestARootFilesystemIsTrimmedAndUndated(t *testing.T) {
	var in, out bytes.Buffer
	w := tar.NewWriter(&in)
	for name, text := range map[string]string{
		"./bin/x": "x", "./etc/apt/sources.list": "mirror", "./etc/apt/sources.list.d/a.sources": "mirror", "./var/cache/apt/pkgcache.bin": "x",
		"./dev/null": "", "./etc/shadow": "root:*:20000:0:99999:7:::\n",
	} {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(text)), Uname: "root"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := trimTar(&in, &out); err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{}
	for r := tar.NewReader(&out); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		kept[header.Name] = string(raw)
		if !header.ModTime.Equal(buildTime) {
			t.Errorf("%s is dated %s", header.Name, header.ModTime)
		}
	}
	if len(kept) != 2 || kept["bin/x"] != "x" {
		t.Errorf("kept %v", kept)
	}
	if got := kept["etc/shadow"]; !strings.HasPrefix(got, "root:*:18262:") {
		t.Errorf("shadow is %q", got)
	}
}

func TestSourcesAreTheDistributionsOwnInEitherFormat(t *testing.T) {
	apt := t.TempDir()
	writeFile(t, filepath.Join(apt, "sources.list"), "# comment\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.invalid/debian bookworm main contrib\ndeb-src http://mirror.invalid/debian bookworm main\n", 0o644)
	writeFile(t, filepath.Join(apt, "sources.list.d", "a.sources"), "Types: deb\n# note\nURIs: http://security.invalid/\nSuites: bookworm-security\nComponents: main\n\nTypes: deb\nURIs: http://vendor.invalid/\nSuites: bookworm\nComponents: stable\n", 0o644)
	writeFile(t, filepath.Join(apt, "sources.list.d", "b.sources"), "Enabled: no\nTypes: deb\nURIs: http://off.invalid/\nSuites: bookworm\nComponents: main\n", 0o644)
	got, err := hostSources(apt, "bookworm")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"URIs: http://mirror.invalid/debian", "Signed-By: /k.gpg", "URIs: http://security.invalid/"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	for _, unwanted := range []string{"vendor.invalid", "off.invalid", "deb-src"} {
		if strings.Contains(got, unwanted) {
			t.Errorf("holds %q:\n%s", unwanted, got)
		}
	}
	if _, err := hostSources(apt, "trixie"); err == nil {
		t.Error("sources of another release were accepted")
	}
}

func TestOnlySettingsForReachingTheMirrorAreTaken(t *testing.T) {
	dump := "APT::Install-Recommends \"true\";\nAcquire::http::Proxy \"http://proxy.invalid\";\nAcquire::Check-Valid-Until \"false\";\nDPkg::Post-Invoke:: \"rm\";\n"
	lines := strings.Split(strings.TrimSpace(filterOptions(dump)), "\n")
	if !slices.Equal(lines, []string{`Acquire::http::Proxy "http://proxy.invalid";`, `Acquire::Check-Valid-Until "false";`}) {
		t.Errorf("kept %q", lines)
	}
}
