// Package smoke runs a benchmark for seconds, so that none is broken when somebody wants
// its figures. What it measures then is not worth reading.
package smoke

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/bench/figure"
)

// Run runs a benchmark in the repository, where make runs it, and returns its last line,
// which must have these figures, each above 0.
func Run(t *testing.T, repository string, figures []string, bench string, args ...string) map[string]any {
	t.Helper()
	program, err := filepath.Abs(filepath.Join(repository, "out", "bench", bench))
	require.NoError(t, err)
	var errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Stderr = repository, &errs
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v, %s", bench, args, errs.String())
	var line map[string]any
	require.NoError(t, figure.Read(string(out), &line), "the last line is no JSON, %s", out)
	assert.False(t, line["bench"] != bench, "the line is that of %q, want %q", line["bench"], bench)
	for _, name := range figures {
		value, is := line[name].(float64)
		require.True(t, is, name)
		assert.False(t, value <= 0, "%s is %v, want a number above 0", name, line[name])
	}
	return line
}
