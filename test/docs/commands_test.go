package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tried are the commands that a test tries: `make` and `kubectl vdi` here, the chart's in
// test/chart, files in config by the tests of the manifests.
var tried = regexp.MustCompile(`^(make |kubectl vdi |helm (install|upgrade|template|lint|package) .*charts/vdi-operator|kubectl apply (-f config/\S+ ?)+$)`)

func eachCommand(t *testing.T, visit func(t *testing.T, page *Page, command string)) {
	t.Helper()
	seen := 0
	for _, page := range pages(t) {
		for _, command := range page.Commands() {
			seen++
			visit(t, page, command)
		}
	}
	assert.GreaterOrEqual(t, seen, 50, "the pages have %d commands: they are not found", seen)
}

func TestAPageWithCommandsThatNoTestRunsSaysSo(t *testing.T) {
	for path, page := range pages(t) {
		if strings.HasPrefix(path, "test/") {
			continue
		}
		untried := slices.ContainsFunc(page.blockCommands(), func(c string) bool { return !tried.MatchString(c) })
		assert.Equal(t, page.NotRun(), untried, "%s: has commands that no test runs; says so", path)
	}
}

func TestEveryMakeCommandIsATarget(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	eachCommand(t, func(t *testing.T, page *Page, command string) {
		words := strings.Fields(command)
		if words[0] != "make" || strings.HasPrefix(page.Path, "test/") {
			return
		}
		for _, word := range words[1:] {
			if strings.Contains(word, "=") {
				continue
			}
			assert.True(t, regexp.MustCompile(`(?m)^([\w-]+ )*`+regexp.QuoteMeta(word)+`( [\w-]+)*:`).Match(makefile),
				"%s: %q: the Makefile has no target %s", page.Path, command, word)
		}
	})
}

// here is a file of this repository on a command line.
var here = regexp.MustCompile(`(?:^|[ =])\.?/?((?:build|config|charts|test|activator|pkg|cmd)/[\w./-]+)`)

func TestEveryFileOfACommandIsThere(t *testing.T) {
	eachCommand(t, func(t *testing.T, page *Page, command string) {
		for _, m := range here.FindAllStringSubmatch(command, -1) {
			_, err := os.Stat(filepath.Join(root, strings.TrimSuffix(m[1], "...")))
			assert.NoError(t, err, "%s: %q: %s is not there", page.Path, command, m[1])
		}
	})
}

// --help lets the plugin read its subcommand and flags and do nothing.
func TestThePluginTakesEveryCommandOfThePages(t *testing.T) {
	plugin := filepath.Join(t.TempDir(), "kubectl-vdi")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", plugin, "./cmd/kubectl-vdi")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	eachCommand(t, func(t *testing.T, page *Page, command string) {
		args, ours := strings.CutPrefix(command, "kubectl vdi ")
		if !ours {
			return
		}
		args, _, _ = strings.Cut(args, ">")
		for _, one := range strings.Split(args, ";") {
			one, _, _ = strings.Cut(one, "|")
			if rest, again := strings.CutPrefix(strings.TrimSpace(one), "kubectl "); again {
				if one, ours = strings.CutPrefix(rest, "vdi "); !ours {
					continue
				}
			}
			out, err := exec.CommandContext(t.Context(), plugin, append(strings.Fields(one), "--help")...).CombinedOutput()
			assert.NoError(t, err, "%s: %q, %s", page.Path, command, out)
		}
	})
}

func TestNoLineOfAPageIsTooLongToRead(t *testing.T) {
	const most = 140
	for path, page := range pages(t) {
		if path == "docs/api.md" || path == "docs/values.md" || strings.HasPrefix(path, "test/") {
			continue // Generated, or no page of the documentation.
		}
		for i, line := range strings.Split(string(page.source), "\n") {
			n := len([]rune(line))
			assert.False(t, n > most && !strings.HasPrefix(line, "["), "%s:%d has %d characters, at most %d", path, i+1, n, most)
		}
	}
}
