package version

import (
	"bytes"
	"flag"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatTheLinkerSetComesBeforeWhatGoRecorded(t *testing.T) {
	recorded := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.0.1"}, Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}}}
	plain := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}}
	for name, c := range map[string]struct {
		version, revision string
		build             *debug.BuildInfo
		want              Info
	}{
		"a release":          {"v1.2.3", "def", recorded, Info{"v1.2.3", "def", "go1.26.8"}},
		"go install":         {"", "", recorded, Info{"v1.0.1", "abc", "go1.26.8"}},
		"go build, no git":   {"", "", plain, Info{unknown, unknown, "go1.26.8"}},
		"nothing is known":   {"", "", nil, Info{unknown, unknown, unknown}},
		"a release, no more": {"v1.2.3", "", nil, Info{"v1.2.3", unknown, unknown}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, from(c.version, c.revision, c.build))
		})
	}
}

func TestTheFlagPrintsTheVersionAndEndsTheProgram(t *testing.T) {
	var out bytes.Buffer
	ended := -1
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	flags.BoolFunc("version", "", Flag("operator", &out, func(code int) { ended = code }))
	require.NoError(t, flags.Parse([]string{"--version=false"}))
	require.Equal(t, -1, ended)
	require.LessOrEqual(t, out.Len(), 0, "--version=false, ended, printed %q", out.String())
	if err := flags.Parse([]string{"--version"}); err != nil || ended != 0 || !strings.HasPrefix(out.String(), "operator "+Get().Version) {
		t.Errorf("--version: %v, ended with %d, printed %q", err, ended, out.String())
	}
}
