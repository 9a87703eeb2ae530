//go:build integration

package release

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/build/provenance"
	"github.com/org/vdi-operator/build/sbom"
)

func made(t *testing.T, o Options) string {
	t.Helper()
	require.NotEmpty(t, o.Helm, "HELM must name the program: run this by make")
	folder, err := Make(t.Context(), o)
	require.NoError(t, err)
	return folder
}

// sums are the checksums of all files below a folder.
func sums(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(file)
		sum := sha256.Sum256(raw)
		all[strings.TrimPrefix(file, folder)] = hex.EncodeToString(sum[:])
		return err
	}))
	return all
}

func TestTwoReleasesOfACommitAreTheSameBytes(t *testing.T) {
	one, two := sums(t, made(t, given(t, nil))), sums(t, made(t, given(t, nil))) // other folders and caches
	assert.Equal(t, one, two)
}

func TestAReleaseHasAllThatStrangersInstall(t *testing.T) {
	o := given(t, nil)
	o.Platforms, o.Kubectl = image.Platforms(), nil
	folder := made(t, o)
	assert.Equal(t, filepath.Join(o.Out, "v0.3.0"), folder)
	have := slices.Sorted(maps.Keys(sums(t, folder)))
	for _, want := range []string{
		"/vdi-operator-0.3.0.tgz", "/plugins/vdi.yaml", "/release-notes.md", "/checksums.txt", "/images.txt",
		"/vdi-operator_linux_amd64.spdx.json", "/vdi-operator_linux_arm64.spdx.json", "/vdi-operator.provenance.json", "/chart.provenance.json",
		"/kubectl-vdi_v0.3.0_linux_arm64.tar.gz", "/kubectl-vdi_v0.3.0_darwin_arm64.tar.gz", "/kubectl-vdi_v0.3.0_windows_amd64.zip",
		"/images/vdi-operator/index.json", "/images/chart/index.json",
	} {
		assert.Contains(t, have, want)
	}
	check := exec.Command("sha256sum", "--check", "--strict", checksumFile)
	check.Dir = folder
	out, err := check.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "vdi-operator-0.3.0.tgz: OK")
	assert.Contains(t, string(out), "plugins/vdi.yaml: OK")
	shown, err := exec.Command(o.Helm, "show", "chart", filepath.Join(folder, "vdi-operator-0.3.0.tgz")).Output()
	require.NoError(t, err)
	assert.Contains(t, string(shown), image.AnnotationRevision+": "+o.Builder.Revision)
	assert.Contains(t, string(shown), "- description: A thing, see there.")
	assert.Contains(t, string(shown), "image: ghcr.io/org/vdi-operator:0.3.0")
	krewFindsArchives(t, folder)
	listed, err := exec.Command("tar", "--list", "--file", filepath.Join(folder, "kubectl-vdi_v0.3.0_darwin_arm64.tar.gz")).Output()
	require.NoError(t, err)
	assert.Equal(t, "LICENSE\nkubectl-vdi\nkubectl_complete-vdi\n", string(listed))
	windows, err := zip.OpenReader(filepath.Join(folder, "kubectl-vdi_v0.3.0_windows_amd64.zip"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, windows.Close()) }()
	assert.True(t, slices.ContainsFunc(windows.File, func(f *zip.File) bool { return f.Name == "kubectl_complete-vdi.cmd" }))
}

// krewFindsArchives checks that krew's manifest names each archive and its checksum.
func krewFindsArchives(t *testing.T, folder string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder, "plugins", "vdi.yaml"))
	require.NoError(t, err)
	var manifest struct {
		Metadata struct{ Name string }
		Spec     struct {
			Version   string
			Platforms []krewPlatform
		}
	}
	require.NoError(t, yaml.Unmarshal(raw, &manifest))
	assert.Equal(t, "vdi", manifest.Metadata.Name)
	assert.Equal(t, "v0.3.0", manifest.Spec.Version)
	require.Len(t, manifest.Spec.Platforms, 6)
	have := sums(t, folder)
	for _, p := range manifest.Spec.Platforms {
		name, ok := strings.CutPrefix(p.URI, "https://github.com/org/vdi-operator/releases/download/v0.3.0")
		assert.True(t, ok, p.URI)
		assert.Equal(t, have[name], p.SHA256, p.URI)
	}
}

func TestImagesAndChartAreInTheRegistryUnderTheNamesThatTheChartAsksFor(t *testing.T) {
	host := startRegistry(t, nil)
	o := given(t, nil)
	o.Platforms, o.Registry = image.Platforms(), host+"/vdi"
	folder := made(t, o)

	pushed := pull(t, host+"/vdi/org/vdi-operator:0.3.0")
	index, err := pushed.ImageIndex()
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 2)
	listed, err := os.ReadFile(filepath.Join(folder, "images.txt"))
	require.NoError(t, err)
	assert.Equal(t, "ghcr.io/org/vdi-operator:0.3.0@"+pushed.Digest.String()+"\n", string(listed))

	assert.Equal(t, []string{provenance.MediaType}, referrers(t, host+"/vdi/org/vdi-operator", pushed.Digest))
	for _, d := range manifest.Manifests {
		assert.Equal(t, []string{sbom.MediaType}, referrers(t, host+"/vdi/org/vdi-operator", d.Digest), d.Platform.Architecture)
	}

	pushedWhole(t, filepath.Join(folder, "images", "vdi-operator"), host+"/vdi/org/vdi-operator")

	to := t.TempDir()
	out, err := exec.Command(o.Helm, "pull", "oci://"+host+"/vdi/org/charts/vdi-operator", "--version", "0.3.0", "--plain-http", "--destination", to).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, sums(t, folder)["/vdi-operator-0.3.0.tgz"], sums(t, to)["/vdi-operator-0.3.0.tgz"])
	assert.Equal(t, []string{provenance.MediaType}, referrers(t, host+"/vdi/org/charts/vdi-operator", pull(t, host+"/vdi/org/charts/vdi-operator:0.3.0").Digest))
}

// pushedWhole checks that a registry has an image of the release with all that refers to it.
func pushedWhole(t *testing.T, folder, repository string) {
	t.Helper()
	path, err := layout.FromPath(folder)
	require.NoError(t, err)
	index, err := path.ImageIndex()
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	for _, d := range manifest.Manifests {
		assert.Equal(t, d.Digest, pull(t, repository+"@"+d.Digest.String()).Digest)
	}
}

func TestARegistryWithPasswordsTakesARelease(t *testing.T) {
	host := startRegistry(t, users{"ann": "secret"})
	o := given(t, nil)
	o.Registry = host + "/vdi"
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	_, err := Make(t.Context(), o)
	require.ErrorContains(t, err, "the registry does not let you push: run docker login "+host)
	assert.Empty(t, o.Progress.(*strings.Builder).String(), "it is refused before anything is built")

	t.Setenv("DOCKER_CONFIG", logIn(t, host, "ann", "wrong"))
	_, err = Make(t.Context(), o)
	require.ErrorContains(t, err, "run docker login "+host)

	folder := logIn(t, host, "ann", "secret")
	t.Setenv("DOCKER_CONFIG", folder)
	made(t, o)
	out, err := exec.Command(o.Helm, "pull", "oci://"+host+"/vdi/org/charts/vdi-operator", "--version", "0.3.0", "--plain-http",
		"--destination", t.TempDir(), "--registry-config", filepath.Join(folder, "config.json")).CombinedOutput()
	assert.NoError(t, err, string(out))
}

// recorder is a cosign that writes down what it is asked, and has a key.
const recorder = "#!/bin/sh\necho \"$@\" >>\"$COSIGN_LOG\"\ntest $1 != public-key || printf -- '" +
	`-----BEGIN PUBLIC KEY-----\n` + publicKey + `\n-----END PUBLIC KEY-----\n` + "'\n"

// publicKey is the recorder's, and keyFingerprint what Artifact Hub is told of it.
const (
	publicKey      = "bm8ga2V5IGF0IGFsbA=="
	keyFingerprint = "ec9afd6a0470e8675218568d7fc0f59ae6fb12f2a4a47cc49edd109d4035bce6"
)

func TestAKeySignsChecksumsAndWhatWasPushedByItsDigest(t *testing.T) {
	programs := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(programs, cosign), []byte(recorder), 0o755))
	asked := filepath.Join(t.TempDir(), "asked")
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	t.Setenv("COSIGN_LOG", asked)
	t.Setenv(passwordVariable, "")
	host := startRegistry(t, nil)
	o := given(t, nil)
	o.Registry, o.Key, o.Insecure = host, "cosign.key", true
	folder := made(t, o)
	raw, err := os.ReadFile(asked)
	require.NoError(t, err)
	image, chart := host+"/org/vdi-operator@"+pull(t, host+"/org/vdi-operator:0.3.0").Digest.String(), host+"/org/charts/vdi-operator@"
	list := filepath.Join(folder, checksumFile)
	const flags = " --yes --key cosign.key "
	const insecure = "--allow-insecure-registry --allow-http-registry "
	for _, want := range []string{
		"sign-blob" + flags + "--bundle " + list + ".sigstore.json " + list,
		"sign" + flags + insecure + image, "sign" + flags + insecure + chart,
		"attest" + flags + insecure + "--type " + provenance.PredicateType + " --predicate ",
	} {
		assert.Contains(t, string(raw), want)
	}
	public, err := os.ReadFile(filepath.Join(folder, publicKeyFile))
	require.NoError(t, err)
	assert.Contains(t, string(public), publicKey)
	listed, err := os.ReadFile(list)
	require.NoError(t, err)
	assert.Contains(t, string(listed), "  "+publicKeyFile+"\n")
	shown, err := exec.Command(o.Helm, "show", "chart", filepath.Join(folder, "vdi-operator-0.3.0.tgz")).Output()
	require.NoError(t, err)
	assert.Contains(t, string(shown), "fingerprint: "+keyFingerprint)
	assert.Contains(t, string(shown), "/releases/download/v0.3.0/"+publicKeyFile)
}

func pull(t *testing.T, reference string) *remote.Descriptor {
	t.Helper()
	ref, err := name.ParseReference(reference, name.Insecure)
	require.NoError(t, err)
	found, err := remote.Get(ref)
	require.NoError(t, err)
	return found
}

// referrers are the types of what refers to an image, and each must be readable.
func referrers(t *testing.T, repository string, digest v1.Hash) []string {
	t.Helper()
	ref, err := name.NewDigest(repository+"@"+digest.String(), name.Insecure)
	require.NoError(t, err)
	index, err := remote.Referrers(ref)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	var found []string
	for _, d := range manifest.Manifests {
		found = append(found, d.ArtifactType)
		img, err := pull(t, repository+"@"+d.Digest.String()).Image()
		require.NoError(t, err)
		layers, err := img.Layers()
		require.NoError(t, err)
		raw, err := layers[0].Compressed()
		require.NoError(t, err)
		require.NoError(t, json.NewDecoder(raw).Decode(&map[string]any{}))
		require.NoError(t, raw.Close())
	}
	return found
}
