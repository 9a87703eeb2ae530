package harness

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// run runs a program; its error carries what it printed, on both its streams.
func run(ctx context.Context, dir, program string, args ...string) error {
	var all bytes.Buffer
	return start(ctx, dir, nil, program, args, &all, &all)
}

// Output runs a program in a folder and returns its standard output alone; an error
// carries its standard error.
func Output(ctx context.Context, dir, program string, args ...string) (string, error) {
	return output(ctx, dir, nil, program, args...)
}

// output is Output in an environment; nil is this program's own.
func output(ctx context.Context, dir string, environment []string, program string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	err := start(ctx, dir, environment, program, args, &out, &errs)
	return out.String(), err
}

// start runs a program; its error carries what it printed on errs.
func start(ctx context.Context, dir string, environment []string, program string, args []string, out, errs *bytes.Buffer) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, environment, out, errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(append([]string{filepath.Base(program)}, args[:min(1, len(args))]...), " "),
			err, strings.TrimSpace(errs.String()))
	}
	return nil
}
