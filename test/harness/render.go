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

// renderedFor is the Kubernetes that Helm takes the cluster for: one that it was built
// without knowing of would be too old for the chart.
const renderedFor = "v1.35.0"

// Render is what the chart would install with these settings, in a cluster that has the
// named APIs besides its own.
func (in *Installation) Render(ctx context.Context, apis []string, settings ...string) ([]byte, error) {
	helm := os.Getenv("HELM")
	if helm == "" {
		return nil, errors.New("HELM must name the program: run this by make")
	}
	args := []string{"template", "vdi", filepath.Join(in.Root, "charts", "vdi-operator"), "--namespace", in.SystemNamespace,
		"--kube-version", renderedFor}
	for _, a := range apis {
		args = append(args, "--api-versions", a)
	}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, helm, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("helm template: %w: %s", err, strings.TrimSpace(errs.String()))
	}
	return out, nil
}
