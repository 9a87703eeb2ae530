package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNotOurs says that a story needs the test cluster's own machine.
var ErrNotOurs = errors.New("this cluster's machine is not ours to disturb")

// Freeze makes one of the node's own programs, such as kube-apiserver, stand still
// until thaw is called.
func (in *Installation) Freeze(ctx context.Context, program string) (thaw func() error, err error) {
	if in.PortForward {
		return nil, ErrNotOurs
	}
	if err := in.cluster(ctx, "freeze", program); err != nil {
		return nil, err
	}
	return func() error {
		// Also when the story's time is over: the next one needs it.
		return in.cluster(context.WithoutCancel(ctx), "thaw", program)
	}, nil
}

func (in *Installation) cluster(ctx context.Context, args ...string) error {
	return run(ctx, in.Root, filepath.Join(in.Root, "bin", "cluster"), args...)
}

// Helm upgrades the release as its administrator would: what was set stays, and the
// settings come on top.
func (in *Installation) Helm(ctx context.Context, settings ...string) error {
	helm := os.Getenv("HELM")
	if helm == "" {
		return errors.New("HELM must name the program: run this by make")
	}
	args := []string{"upgrade", "vdi", filepath.Join(in.Root, "charts", "vdi-operator"), "--kubeconfig", in.Kubeconfig,
		"--namespace", in.SystemNamespace, "--reuse-values"}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	return run(ctx, in.Root, helm, args...)
}

func run(ctx context.Context, dir, program string, args ...string) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, strings.TrimSpace(out.String()))
	}
	return nil
}
