package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/build/image"
)

func TestWhatIsNoReleaseIsRefusedWithTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		change    map[string]string
		tag       string
		complaint string
	}{
		"a file that is not committed": {map[string]string{"new.txt": ""}, "v0.3.0", "the tree is dirty; commit or remove:\n?? new.txt"},
		"a file that was changed":      {map[string]string{"LICENSE": "none"}, "v0.3.0", " M LICENSE"},
		"a tag of another version":     {nil, "v0.4.0", "Chart.yaml: version is 0.3.0, and the tag is v0.4.0: tag the commit v0.3.0, or set it to 0.4.0"},
		"no tag":                       {nil, "e766437", "the tag is e766437"},
		"a tag without its v":          {nil, "0.3.0", "the tag is 0.3.0"},
		"no section":                   {map[string]string{"docs/changelog.md": "# Changelog\n"}, "v0.3.0", `docs/changelog.md has no section "## [0.3.0] - YYYY-MM-DD"`},
		"a section without a day":      {map[string]string{"docs/changelog.md": "## [0.3.0] - Unreleased\n"}, "v0.3.0", "the section of 0.3.0 says Unreleased"},
		"another version of coturn's chart": {map[string]string{"charts/vdi-operator/charts/coturn/Chart.yaml": "version: 0.2.0\nappVersion: 0.3.0\n"}, "v0.3.0",
			"coturn/Chart.yaml: version is 0.2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			o := given(t, c.change)
			o.Builder.Version = c.tag
			_, err := Make(t.Context(), o)
			assert.ErrorContains(t, err, c.complaint)
		})
	}
}

func TestAKeyWithoutTheProgramThatSignsIsRefusedBeforeAnythingIsBuilt(t *testing.T) {
	o := given(t, nil)
	o.Key = "cosign.key"
	programs := t.TempDir()
	git, err := exec.LookPath("git")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(git, filepath.Join(programs, "git")))
	t.Setenv("PATH", programs)
	_, err = Make(t.Context(), o)
	require.ErrorContains(t, err, "COSIGN_KEY is set, but the program cosign")
	assert.NotContains(t, err.Error(), "dirty")
}

// cosign would ask a terminal that it does not have.
func TestAKeyWithoutItsPasswordIsRefusedBeforeAnythingIsBuilt(t *testing.T) {
	programs := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(programs, cosign), nil, 0o755))
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	t.Setenv(passwordVariable, "") // for the test's end to restore it
	for key, complaint := range map[string]string{
		"cosign.key":    "COSIGN_KEY is cosign.key, and COSIGN_PASSWORD is not set: set it to the key's password, to nothing if it has none",
		"env://KEY":     "COSIGN_KEY is env://KEY, and COSIGN_PASSWORD is not set",
		"awskms:///key": "", // it has no password
	} {
		require.NoError(t, os.Unsetenv(passwordVariable))
		if complaint == "" {
			assert.NoError(t, maySign(key))
			continue
		}
		o := given(t, nil)
		o.Key = key
		_, err := Make(t.Context(), o)
		require.ErrorContains(t, err, complaint)
		assert.Empty(t, o.Progress.(*strings.Builder).String())
		require.NoError(t, os.Setenv(passwordVariable, ""))
		assert.NoError(t, maySign(key), "a key without a password")
	}
}

func TestNotesAreAVersionsSectionWithLinksThatWorkElsewhere(t *testing.T) {
	notes, err := cutNotes(sources["docs/changelog.md"], "v0.3.0")
	require.NoError(t, err)
	assert.Equal(t, "### Added\n\n- A [thing](https://github.com/org/vdi-operator/blob/v0.3.0/docs/operations/limits.md#all), see [there](https://example.invalid/x.md).\n", notes)
	notes, err = cutNotes(sources["docs/changelog.md"], "v0.2.0")
	require.NoError(t, err)
	assert.Equal(t, "- Old.\n", notes, "the last section")
}

func TestArchivesAreTheSameBytesWhateverTheOrderOfTheirFiles(t *testing.T) {
	files := []file{{"b", 0o755, []byte("b")}, {"a", 0o644, []byte("a")}}
	other := []file{files[1], files[0]}
	for _, archive := range []func([]file) ([]byte, error){
		func(f []file) ([]byte, error) { return tarGz(f, committed) }, func(f []file) ([]byte, error) { return zipped(f, committed) },
	} {
		one, err := archive(files)
		require.NoError(t, err)
		two, err := archive(other)
		require.NoError(t, err)
		assert.Equal(t, one, two)
	}
}

func TestAChartIsToldItsCommitBesideItsOtherAnnotations(t *testing.T) {
	for chart, want := range map[string]string{
		"name: x\n":                       "name: x\nannotations:\n  k: v\n",
		"annotations:\n  a: b\nname: x\n": "annotations:\n  k: v\n  a: b\nname: x\n",
		"name: x\nannotations:\n  a: b\n": "name: x\nannotations:\n  k: v\n  a: b\n",
		"name: without a last line's end": "name: without a last line's end\nannotations:\n  k: v\n",
	} {
		assert.Equal(t, want, annotate(chart, "k", "v"))
	}
}

func TestArtifactHubGetsEachItemOfTheNotesWithItsKind(t *testing.T) {
	assert.Equal(t, []hubChange{
		{"added", "A thing, see `there`."}, {"changed", "Open a port. Or two."}, {"removed", "An old one."},
	}, changes("### Added\n\n- A [thing](https://example.invalid/x.md#y), see\n  `there`.\n\n### Before you upgrade\n\n- Open a port.\n  Or two.\n### Removed\n- An old one.\n"))
}

func TestWhatArtifactHubGetsIsTextInTheChart(t *testing.T) {
	o := given(t, nil)
	m := &maker{Options: o, number: "0.3.0", notes: "### Added\n\n- A: `b`, \"c\" # d\n"}
	text, err := m.hub("name: x\nannotations:\n  a: b\n")
	require.NoError(t, err)
	var chart struct{ Annotations map[string]string }
	require.NoError(t, yaml.Unmarshal([]byte(text), &chart))
	assert.Equal(t, "b", chart.Annotations["a"])
	var changed []hubChange
	require.NoError(t, yaml.Unmarshal([]byte(chart.Annotations[hubChanges]), &changed))
	assert.Equal(t, []hubChange{{"added", "A: `b`, \"c\" # d"}}, changed)
	var images []hubImage
	require.NoError(t, yaml.Unmarshal([]byte(chart.Annotations[hubImages]), &images))
	assert.Equal(t, []hubImage{{"vdi-operator", "ghcr.io/org/vdi-operator:0.3.0", []string{"linux/amd64"}}}, images)
}

func TestThePluginIsForThePlatformsThatAreAskedFor(t *testing.T) {
	targets, err := PluginTargets([]string{"linux/arm64", "windows/amd64"})
	require.NoError(t, err)
	assert.Equal(t, []image.Target{{OS: "linux", Arch: "arm64"}, {OS: "windows", Arch: "amd64"}}, targets)
	_, err = PluginTargets([]string{"plan9/386"})
	assert.ErrorContains(t, err, `"plan9/386"`)
	assert.ErrorContains(t, err, "linux/amd64, linux/arm64, darwin/amd64")
}
