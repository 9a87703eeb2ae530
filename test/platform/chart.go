package main

import (
	"context"
	"path/filepath"
	"strconv"

	"github.com/org/vdi-operator/test/helm"
	"github.com/org/vdi-operator/test/platform/env"
)

const systemNamespace = "vdi-system"

func release(kubeconfig string) helm.Release {
	return helm.Release{Name: "vdi", Namespace: systemNamespace, Kubeconfig: kubeconfig}
}

// settings are what the chart is told so that this tree's images run where the tests
// look for them.
func (p *platform) settings(images []string) []string {
	args := []string{"--set", "url.port=" + strconv.Itoa(env.DefaultPort),
		"--set", "knative.enabled=" + strconv.FormatBool(p.knative),
		// The node is small, and the stories scale it themselves.
		"--set", "activator.replicas=1",
		// Visitors who vanish leave allocations, and every change of coturn waits for those.
		"--set", "coturn.terminationGracePeriodSeconds=10",
		// kube-proxy is the only load balancer here.
		"--set", "activator.shutdownDelaySeconds=3",
		// One user of the stories is a crowd, at one desktop.
		"--set", "limits.heldConnectionsPerSession=300", "--set", "limits.liveWebSocketsPerSession=400", "--set", "limits.upgradesPerUser.burst=1000"}
	args = append(args, imageSettings(images)...)
	if p.own() {
		// The test cluster publishes this node port where the sessions' URLs point.
		args = append(args, "--set", "activator.service.type=NodePort", "--set", "activator.service.nodePort="+strconv.Itoa(env.NodePort),
			// Its node has cgroup version 1.
			"--set", "doze.enabled=true", "--set", "doze.cgroupV1=true",
			// And the demo's identity provider where its URL points.
			"--values", filepath.Join(p.root, "test", "platform", "sign-in.values.yaml"), "--set", "global.demoProvider="+byName(images, "vdi-demo-provider"))
	}
	return args
}

// imageSettings name the images of the product's own programs.
func imageSettings(images []string) []string {
	var args []string
	for _, of := range []struct{ value, name string }{
		{"operator.image", "vdi-operator"}, {"activator.image", "vdi-activator"}, {"portal.image", "vdi-portal"},
		{"agent.image", "vdi-agent"}, {"doze.image", "vdi-node"}, {"coturn.image", "vdi-coturn"},
	} {
		repository, tag := split(byName(images, of.name))
		args = append(args, "--set", of.value+".repository="+repository, "--set-string", of.value+".tag="+tag)
	}
	return args
}

// install installs or upgrades the chart.
func (p *platform) install(ctx context.Context, e env.Env) error {
	return release(e.Kubeconfig).Upgrade(ctx, helm.Chart, append([]string{"--create-namespace"}, e.Settings...)...)
}

func (p *platform) uninstall(ctx context.Context) error {
	_, err := release(p.kubeconfig).Uninstall(ctx, "--ignore-not-found")
	return err
}
