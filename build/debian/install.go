// Package debian installs programs of the distribution, without their services.
package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Tool is a file that must exist, and the package that brings it. Files are looked for
// rather than packages, because other vendors' packages may bring the same programs.
type Tool struct {
	File    string // a program on the PATH, or an absolute path
	Package string
}

// Install installs the tools that are missing, and returns the packages it installed.
func Install(ctx context.Context, log io.Writer, tools ...Tool) ([]string, error) {
	packages := missing(tools)
	if len(packages) == 0 {
		return nil, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, fmt.Errorf("missing programs of the packages %s and no apt-get to install them: use Debian or Ubuntu, or install them by hand",
			strings.Join(packages, " "))
	}
	restore, err := holdServices()
	if err != nil {
		return nil, err
	}
	defer restore()
	args := append([]string{"install", "--yes", "--no-install-recommends"}, packages...)
	if err := apt(ctx, log, args...); err != nil {
		// The package lists may be stale or absent, as in a fresh container.
		if err := apt(ctx, log, "update"); err != nil {
			return nil, err
		}
		if err := apt(ctx, log, args...); err != nil {
			return nil, err
		}
	}
	if still := missing(tools); len(still) > 0 {
		return nil, fmt.Errorf("installed %s, but their programs are still missing from the PATH", strings.Join(still, " "))
	}
	return packages, nil
}

func missing(tools []Tool) []string {
	var packages []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.File); err != nil && !slices.Contains(packages, t.Package) {
			packages = append(packages, t.Package)
		}
	}
	return packages
}

func apt(ctx context.Context, log io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// policy is the file by which Debian asks whether a package may start its service.
const policy = "/usr/sbin/policy-rc.d"

// holdServices keeps the packages' own services, such as etcd's, from starting while they are
// installed: who asks for a program runs it himself. A policy that exists is left alone.
func holdServices() (restore func(), err error) {
	file, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if errors.Is(err, os.ErrExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = file.WriteString("#!/bin/sh\nexit 101\n")
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return func() { _ = os.Remove(policy) }, nil
}
