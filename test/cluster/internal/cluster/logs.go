package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/org/vdi-operator/test/cluster/internal/addons"
)

// podLogs are the components that run as pods.
var podLogs = map[string][]string{
	"controller":             {"deployment/controller", "--namespace=" + addons.KnativeNamespace},
	"activator":              {"deployment/activator", "--namespace=" + addons.KnativeNamespace},
	"autoscaler":             {"deployment/autoscaler", "--namespace=" + addons.KnativeNamespace},
	"webhook":                {"deployment/webhook", "--namespace=" + addons.KnativeNamespace},
	"coredns":                {"deployment/coredns", "--namespace=kube-system"},
	"gpu-device-plugin":      {"daemonset/gpu-device-plugin", "--namespace=kube-system"},
	"local-path-provisioner": {"deployment/local-path-provisioner", "--namespace=local-path-storage"},
}

// Components lists whose logs there are.
func (c *Cluster) Components() []string {
	var names []string
	files, _ := filepath.Glob(filepath.Join(c.Layout.Logs(), "*.log"))
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".log"))
	}
	for name := range podLogs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Logs prints the last lines of a component's log, and with follow whatever comes after.
func (c *Cluster) Logs(ctx context.Context, component string, lines int, follow bool) error {
	cmd, err := c.logCommand(ctx, component, lines, follow)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = c.Out, c.Log
	return cmd.Run()
}

func (c *Cluster) logCommand(ctx context.Context, component string, lines int, follow bool) (*exec.Cmd, error) {
	if args, ok := podLogs[component]; ok {
		client, err := c.Client()
		if err != nil {
			return nil, err
		}
		all := []string{"--kubeconfig=" + c.Layout.AdminKubeconfig(), "logs", "--tail=" + strconv.Itoa(lines), fmt.Sprintf("--follow=%t", follow)}
		return exec.CommandContext(ctx, client, append(all, args...)...), nil
	}
	file := c.supervisor.LogFile(component)
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("no log of %q: there are those of %s", component, strings.Join(c.Components(), ", "))
	}
	args := []string{"-n", strconv.Itoa(lines)}
	if follow {
		args = append(args, "-F")
	}
	return exec.CommandContext(ctx, "tail", append(args, file)...), nil
}
