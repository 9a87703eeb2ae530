// Package smoke runs a benchmark for seconds, so that none is broken when somebody wants
// its figures. What it measures then is not worth reading.
package smoke

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// Run runs a benchmark in the repository, where make runs it, and returns its last line,
// which must have these figures, each above 0.
func Run(t *testing.T, repository string, figures []string, bench string, args ...string) map[string]any {
	t.Helper()
	program, err := filepath.Abs(filepath.Join(repository, "out", "bench", bench))
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Stderr = repository, &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", bench, args, err, errs.String())
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var line map[string]any
	if err := json.Unmarshal(lines[len(lines)-1], &line); err != nil {
		t.Fatalf("the last line is no JSON: %v\n%s", err, out)
	}
	if line["bench"] != bench {
		t.Errorf("the line is that of %q, want %q", line["bench"], bench)
	}
	for _, name := range figures {
		if value, is := line[name].(float64); !is || value <= 0 {
			t.Errorf("%s is %v, want a number above 0", name, line[name])
		}
	}
	return line
}
