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
	return start(ctx, dir, program, args, &all, &all)
}

// output runs a program and returns its standard output alone.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	err := start(ctx, dir, program, args, &out, &errs)
	return out.String(), err
}

// start runs a program; its error carries what it printed on errs.
func start(ctx context.Context, dir, program string, args []string, out, errs *bytes.Buffer) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, strings.TrimSpace(errs.String()))
	}
	return nil
}
