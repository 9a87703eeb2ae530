package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// versionPackage is where the product's programs have their version.
const versionPackage = "github.com/org/vdi-operator/pkg/version"

// LinkerFlags leave out what only debuggers read, and tell a program of the product's its version
// and revision where they are given.
func LinkerFlags(version, revision string) string {
	flags := "-s -w"
	for _, of := range []struct{ name, value string }{{"version", version}, {"revision", revision}} {
		if of.value != "" {
			flags += " -X " + versionPackage + "." + of.name + "=" + of.value
		}
	}
	return flags
}

// compile builds one static program.
func (b Builder) compile(ctx context.Context, p Program, out string) error {
	flags := LinkerFlags("", "")
	if p.Version {
		flags = LinkerFlags(b.Version, b.Revision)
	}
	return b.Compile(ctx, Target{OS: "linux", Arch: b.arch(), Module: p.Module, Package: p.Package, LinkerFlags: flags}, out)
}

// Target is a program for a platform.
type Target struct {
	// OS and Arch in Go's words.
	OS, Arch string
	// Module and Package as in a Program.
	Module, Package string
	LinkerFlags     string
}

// Compile builds a static program. Paths of this machine and the state of the checkout stay out
// of it, so that the same sources give the same bytes.
func (b Builder) Compile(ctx context.Context, t Target, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", t.LinkerFlags, "-o", out, t.Package)
	cmd.Dir = filepath.Join(b.Root, t.Module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.OS, "GOARCH="+t.Arch)
	cmd.Stdout, cmd.Stderr = b.Log, b.Log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s in %s for %s/%s: %w", t.Package, cmd.Dir, t.OS, t.Arch, err)
	}
	return nil
}
