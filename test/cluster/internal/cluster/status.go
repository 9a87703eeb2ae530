package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/test/cluster/internal/build"
	"github.com/org/vdi-operator/test/cluster/internal/controlplane"
	"github.com/org/vdi-operator/test/cluster/internal/node"
)

// statusLimit bounds how long a sick cluster may keep a person waiting.
const statusLimit = 10 * time.Second

// ErrNotReady is returned by Status when something is amiss.
var ErrNotReady = errors.New("the cluster is not up and ready: cluster up starts or repairs it")

// programs are all that must run, but for port forwarders.
var programs = []string{
	controlplane.Etcd, controlplane.APIServer, controlplane.ControllerManager, controlplane.Scheduler,
	node.Containerd, node.Kubelet, node.KubeProxy,
}

// Status prints what runs and returns ErrNotReady unless all of it does.
func (c *Cluster) Status(ctx context.Context) error {
	ok := true
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROGRAM\tPID\tSTATE\tLOG")
	row := func(name string) {
		r, known := c.table.Read(name)
		switch {
		case !known:
			ok = false
			fmt.Fprintf(w, "%s\t-\tnot started\t-\n", name)
		case !r.Alive():
			ok = false
			fmt.Fprintf(w, "%s\t%d\tdead\t%s\n", name, r.PID, c.supervisor.LogFile(name))
		default:
			fmt.Fprintf(w, "%s\t%d\truns\t%s\n", name, r.PID, c.supervisor.LogFile(name))
		}
	}
	for _, name := range programs {
		row(name)
	}
	for _, r := range c.table.All() {
		if isPublisher(r.Name) {
			row(r.Name)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if r, known := c.table.Read(controlplane.APIServer); known && r.Alive() {
		fmt.Fprintln(c.Out)
		if err := within(ctx, statusLimit, c.describe); err != nil {
			fmt.Fprintln(c.Out, err)
			ok = false
		}
	}
	if !ok {
		return ErrNotReady
	}
	return nil
}

// describe prints the node and its pods, and returns an error when a workload is not ready.
func (c *Cluster) describe(ctx context.Context) error {
	client, err := c.Client()
	if err != nil {
		return err
	}
	k := kubectl{program: client, kubeconfig: c.Layout.AdminKubeconfig()}
	for _, args := range [][]string{{"get", "nodes", "--output=wide"}, {"get", "pods", "--all-namespaces"}} {
		out, err := k.run(ctx, args...)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "%s\n", out)
	}
	return workloads(ctx, k)
}

// Client returns the kubectl in the cache.
func (c *Cluster) Client() (string, error) {
	b := build.Builder{Cache: c.Cache}
	program := b.Path(build.Kubernetes(), "kubectl")
	if !cache.Has(program) {
		return "", fmt.Errorf("%s is not built: run cluster up", program)
	}
	return program, nil
}

// Kubeconfig returns the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() (string, error) {
	if _, err := os.Stat(c.Layout.AdminKubeconfig()); err != nil {
		return "", fmt.Errorf("there is no cluster in %s: run cluster up", c.Layout.Root())
	}
	return c.Layout.AdminKubeconfig(), nil
}
