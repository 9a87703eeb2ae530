package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/docs"
	"github.com/org/vdi-operator/test/helm"
)

var (
	// ofTheChart is a command that renders the chart, with its flags.
	ofTheChart = regexp.MustCompile(`helm (?:install|upgrade|template) vdi charts/vdi-operator([^|]*)`)
	// notOfTemplate are flags of `helm install` and `helm upgrade` alone.
	notOfTemplate = map[string]bool{"--reset-then-reuse-values": true, "--take-ownership": true}
	// cluster is what the pages' clusters have besides Kubernetes.
	cluster = []string{"serving.knative.dev/v1", "cert-manager.io/v1", "monitoring.coreos.com/v1",
		"gateway.networking.k8s.io/v1", "traefik.io/v1alpha1"}
)

// A shell takes the flags apart, as the reader's does.
func words(t *testing.T, flags string) (all []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "bash", "-c", `printf '%s\n' `+flags).Output()
	require.NoError(t, err, "%q", flags)
	for _, word := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if word != "" && !notOfTemplate[word] {
			all = append(all, word)
		}
	}
	return all
}

// withFiles puts files in the place of those that the page tells its reader to save.
func withFiles(t *testing.T, page *docs.Page, flags []string) []string {
	t.Helper()
	for i := 1; i < len(flags); i++ {
		if saved := page.Saved(flags[i]); flags[i-1] == "--values" && saved != "" {
			flags[i] = filepath.Join(t.TempDir(), flags[i])
			require.NoError(t, os.WriteFile(flags[i], []byte(saved), 0o600))
		}
	}
	return flags
}

func TestTheChartTakesEveryHelmCommandOfThePages(t *testing.T) {
	root, err := helm.Root()
	require.NoError(t, err)
	pages, err := docs.Pages(root)
	require.NoError(t, err)
	rendered := 0
	for _, page := range pages {
		for _, command := range page.Commands() {
			m := ofTheChart.FindStringSubmatch(command)
			if m == nil {
				continue
			}
			rendered++
			flags := withFiles(t, page, words(t, m[1]))
			for _, api := range cluster {
				flags = append(flags, "--api-versions", api)
			}
			_, err := template(t, flags...)
			assert.NoError(t, err, "%s: %q", page.Path, command)
		}
	}
	assert.GreaterOrEqual(t, rendered, 10, "commands of the pages were rendered: they are not found")
}
