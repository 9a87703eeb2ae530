package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
		untried := page.Untried()
		assert.Equal(t, page.NotRun(), len(untried) > 0, "%s: says that it has commands which no test runs; these are %q", path, untried)
	}
}

// namesOne is a command about one object of a namespace, or about one release.
var namesOne = regexp.MustCompile(`^kubectl .*\b(NAME|SESSION|POD)\b|^helm (uninstall|rollback|history|test|upgrade|install) vdi`)

func TestACommandSaysInWhichNamespace(t *testing.T) {
	eachCommand(t, func(t *testing.T, page *Page, command string) {
		if namesOne.MatchString(command) && page.Path != "docs/changelog.md" {
			assert.Regexp(t, ` (-n|--namespace|-A)[ =]?`, command, "%s", page.Path)
		}
	})
}

// Knative takes the list for all of it (knative.dev/serving v0.50, pkg/deployment).
func TestAPatchOfKnativesListKeepsItsDefaults(t *testing.T) {
	found := 0
	eachCommand(t, func(t *testing.T, page *Page, command string) {
		if _, list, is := strings.Cut(command, `"registries-skipping-tag-resolving":"`); is {
			found++
			for _, registry := range []string{"kind.local", "ko.local", "dev.local"} {
				assert.Contains(t, list, registry, page.Path)
			}
		}
	})
	assert.Equal(t, 1, found)
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
