// Package debian installs the programs that the cluster takes from the distribution.
package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// tool is a file that must exist, and the package that brings it. Files are looked for
// rather than packages, because other vendors' packages may bring the same programs.
type tool struct {
	file string // a program on the PATH, or an absolute path
	pkg  string
}

var (
	node = []tool{
		{"containerd", "containerd"}, {"containerd-shim-runc-v2", "containerd"}, {"ctr", "containerd"},
		{"runc", "runc"},
		{filepath.Join(CNIPlugins, "bridge"), "containernetworking-plugins"},
		{"nft", "nftables"}, {"iptables", "iptables"}, {"conntrack", "conntrack"},
		{"ip", "iproute2"}, {"mount", "mount"},
		{"etcd", "etcd-server"},
	}
	etcd = []tool{{"etcd", "etcd-server"}}
	// What unpacks a distribution into a folder.
	bootstrap = []tool{{"mmdebstrap", "mmdebstrap"}}
)

// CNIPlugins is where Debian puts the pods' network plugins.
const CNIPlugins = "/usr/lib/cni"

// Node installs what a node needs, Etcd only etcd, Bootstrap what makes images of Debian's
// packages. Each returns the packages it installed.
func Node(ctx context.Context, log io.Writer) ([]string, error) { return install(ctx, node, log) }

// Etcd installs etcd.
func Etcd(ctx context.Context, log io.Writer) ([]string, error) { return install(ctx, etcd, log) }

// Bootstrap installs mmdebstrap.
func Bootstrap(ctx context.Context, log io.Writer) ([]string, error) {
	return install(ctx, bootstrap, log)
}

func install(ctx context.Context, tools []tool, log io.Writer) ([]string, error) {
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

func missing(tools []tool) []string {
	var packages []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.file); err != nil && !slices.Contains(packages, t.pkg) {
			packages = append(packages, t.pkg)
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

// holdServices keeps the packages' own etcd and containerd services from starting while
// they are installed: the cluster runs its own. A policy that exists is left alone.
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
