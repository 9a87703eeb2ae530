package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// compile builds one static program. Paths of this machine and the state of the checkout
// stay out of it, so that the same sources give the same bytes.
func compile(ctx context.Context, moduleDir, pkg, out string, log io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir = moduleDir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s in %s: %w", pkg, moduleDir, err)
	}
	return nil
}
