package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root writes a root filesystem as mmdebstrap leaves it on amd64.
func root(t *testing.T, more ...tar.Header) string {
	t.Helper()
	lists := "/.\n/bin\n/bin/tool\n/usr/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu/lib.so\n/var/run\n"
	headers := append([]tar.Header{
		{Name: "bin", Typeflag: tar.TypeSymlink, Linkname: "usr/bin"},
		{Name: "etc/passwd", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"VDI.content": "root:x:0:0::/root:/bin/sh\n"}},
		{Name: "etc/ld.so.cache", Typeflag: tar.TypeReg},
		{Name: "var/run", Typeflag: tar.TypeSymlink, Linkname: "/run"},
		{Name: "usr/bin/tool", Typeflag: tar.TypeReg, Mode: 0o4755, Gid: 8},
		{Name: "usr/bin/alternative", Typeflag: tar.TypeSymlink, Linkname: "/etc/alternatives/tool"},
		{Name: "usr/lib/x86_64-linux-gnu/lib.so", Typeflag: tar.TypeReg},
		{Name: dpkgInfo + "tool.list", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"VDI.content": lists}},
	}, more...)
	file := filepath.Join(t.TempDir(), "rootfs.tar.gz")
	var raw bytes.Buffer
	zip := gzip.NewWriter(&raw)
	w := tar.NewWriter(zip)
	for _, h := range headers {
		content := h.PAXRecords["VDI.content"]
		h.Size, h.Format, h.PAXRecords = int64(len(content)), tar.FormatPAX, nil
		require.NoError(t, w.WriteHeader(&h))
		_, err := io.WriteString(w, content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, zip.Close())
	require.NoError(t, os.WriteFile(file, raw.Bytes(), 0o644))
	return file
}

// pkg makes a package of files, for arm64.
func pkg(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb makes the packages: this needs Debian or Ubuntu")
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "DEBIAN", "control"), "Package: "+name+"\nVersion: 1\nArchitecture: arm64\nMaintainer: x <x@example.invalid>\nDescription: x\n", 0o644)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "var", "run"), 0o755))
	for file, content := range files {
		writeFile(t, filepath.Join(dir, file), content, 0o755)
	}
	deb := filepath.Join(t.TempDir(), name+"_1_arm64.deb")
	out, err := exec.Command("dpkg-deb", "--root-owner-group", "--build", dir, deb).CombinedOutput()
	require.NoError(t, err, string(out))
	return deb
}

// composed is what a root filesystem for arm64 has, by path.
func composed(t *testing.T, native string, debs ...string) (map[string]*tar.Header, map[string]string, error) {
	t.Helper()
	made, err := readScripted(native, triplets["amd64"])
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "arm64.tar.gz")
	if err := composeFile(t.Context(), made, debs, file); err != nil {
		return nil, nil, err
	}
	headers, contents := map[string]*tar.Header{}, map[string]string{}
	require.NoError(t, eachOfFile(file, func(header *tar.Header, content io.Reader) error {
		raw, err := io.ReadAll(content)
		headers[header.Name], contents[header.Name] = header, string(raw)
		return err
	}))
	return headers, contents, nil
}

func TestAnotherArchitecturesFilesAreItsPackagesAndWhatScriptsMadeIsTaken(t *testing.T) {
	deb := pkg(t, "tool", map[string]string{
		"bin/tool": "arm64", "usr/lib/aarch64-linux-gnu/lib.so": "arm64",
		"usr/share/doc/tool/copyright": "free", "usr/share/doc/tool/README": "long",
	})
	headers, contents, err := composed(t, root(t), deb)
	require.NoError(t, err)
	assert.Equal(t, "arm64", contents["usr/bin/tool"], "a package's path leads through the linked folder")
	assert.EqualValues(t, 0o4755, headers["usr/bin/tool"].Mode, "the mode that a script gave")
	assert.Equal(t, 8, headers["usr/bin/tool"].Gid, "the group that a script gave")
	assert.Contains(t, contents["etc/passwd"], "root:x")
	assert.Equal(t, "/etc/alternatives/tool", headers["usr/bin/alternative"].Linkname)
	assert.Equal(t, "usr/bin", headers["bin"].Linkname)
	assert.Equal(t, "/run", headers["var/run"].Linkname, "a folder that a script moved")
	assert.Equal(t, "free", contents["usr/share/doc/tool/copyright"])
	for _, absent := range []string{"etc/ld.so.cache", "usr/lib/x86_64-linux-gnu/lib.so", "usr/share/doc/tool/README", dpkgInfo + "tool.list"} {
		assert.NotContains(t, headers, absent)
	}
	assert.Contains(t, contents[dpkgStatus], "Package: tool\nStatus: install ok installed\nVersion: 1\nArchitecture: arm64\n")
}

func TestWhatAScriptMadeForOneArchitectureIsRefusedByNameOnAnother(t *testing.T) {
	deb := pkg(t, "tool", map[string]string{"bin/tool": "arm64"})
	for name, made := range map[string]tar.Header{
		"usr/bin/compiled":                {PAXRecords: map[string]string{"VDI.content": "\x7fELF"}},
		"usr/lib/x86_64-linux-gnu/x.list": {},
	} {
		made.Name, made.Typeflag = name, tar.TypeReg
		_, _, err := composed(t, root(t, made), deb)
		require.ErrorContains(t, err, "/"+name)
		assert.ErrorContains(t, err, "on a machine of the other")
	}
}

func TestAFileOfTwoPackagesIsRefusedWithBothNames(t *testing.T) {
	_, _, err := composed(t, root(t), pkg(t, "one", map[string]string{"bin/tool": "1"}), pkg(t, "two", map[string]string{"usr/bin/tool": "2"}))
	require.ErrorContains(t, err, "usr/bin/tool is also in one")
	assert.ErrorContains(t, err, "two_1_arm64.deb")
}

func TestAPlatformThatCannotBeBuiltIsRefused(t *testing.T) {
	arches, err := Architectures([]string{"linux/arm64", "linux/amd64"})
	require.NoError(t, err)
	assert.Equal(t, []string{"arm64", "amd64"}, arches)
	for _, wrong := range []string{"linux/riscv64", "windows/amd64", "arm64", ""} {
		_, err := Architectures([]string{wrong})
		assert.ErrorContains(t, err, "linux/amd64, linux/arm64", wrong)
	}
}

func TestARegistryStandsInPlaceOfANamesHostAsInTheChart(t *testing.T) {
	for name, want := range map[string]string{
		"ghcr.io/org/x": "r.example.com:5000/vdi/org/x", "localhost/x": "r.example.com:5000/vdi/x", "host:1/x": "r.example.com:5000/vdi/x", "org/x": "r.example.com:5000/vdi/org/x", "x": "r.example.com:5000/vdi/x",
	} {
		assert.Equal(t, want, Rehost(name, "r.example.com:5000/vdi/"), name)
	}
	assert.Equal(t, "ghcr.io/org/x", Rehost("ghcr.io/org/x", ""))
}
