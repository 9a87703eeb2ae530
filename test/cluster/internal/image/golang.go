package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// versionVariable is where the product's programs have their version.
const versionVariable = "github.com/org/vdi-operator/pkg/version.version"

// compile builds one static program; version is empty where it is told none. Paths of this machine and the state of the checkout
// stay out of it, so that the same sources give the same bytes.
func compile(ctx context.Context, moduleDir, pkg, out, version string, log io.Writer) error {
	ldflags := "-s -w"
	if version != "" {
		ldflags += " -X " + versionVariable + "=" + version
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", out, pkg)
	cmd.Dir = moduleDir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s in %s: %w", pkg, moduleDir, err)
	}
	return nil
}
