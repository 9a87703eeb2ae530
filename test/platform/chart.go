package main

import (
	"context"
	"strconv"

	"github.com/org/vdi-operator/test/platform/env"
)

const (
	release         = "vdi"
	systemNamespace = "vdi-system"
	chart           = "charts/vdi-operator"
	// installTimeout covers the pulls of a registry that is far away.
	installTimeout = "5m"
)

// install installs or upgrades the chart with this tree's images.
func (p *platform) install(ctx context.Context, kubeconfig string, images []string) error {
	args := []string{"upgrade", "--install", release, chart, "--kubeconfig", kubeconfig,
		"--namespace", systemNamespace, "--create-namespace", "--wait", "--timeout", installTimeout,
		"--set", "url.port=" + strconv.Itoa(env.DefaultPort),
		// Stories say themselves when they need more.
		"--set", "activator.replicas=1",
		// One user of the stories is a crowd, at one desktop.
		"--set", "limits.heldConnectionsPerSession=300", "--set", "limits.upgradesPerUser.burst=1000"}
	for key, name := range map[string]string{"operator.image": "vdi-operator", "activator.image": "vdi-activator", "agent.image": "vdi-agent", "coturn.image": "vdi-coturn"} {
		repository, tag := split(byName(images, name))
		args = append(args, "--set", key+".repository="+repository, "--set-string", key+".tag="+tag)
	}
	if p.own() {
		// The test cluster publishes this node port where the sessions' URLs point.
		args = append(args, "--set", "activator.service.type=NodePort", "--set", "activator.service.nodePort="+strconv.Itoa(env.NodePort))
	}
	_, err := p.quiet(ctx, p.helm, args...)
	return err
}

func (p *platform) uninstall(ctx context.Context) error {
	_, err := p.quiet(ctx, p.helm, "uninstall", release, "--kubeconfig", p.kubeconfig, "--namespace", systemNamespace, "--ignore-not-found", "--wait")
	return err
}
