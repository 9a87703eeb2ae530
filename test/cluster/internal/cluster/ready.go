package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/org/vdi-operator/test/cluster/internal/addons"
	"github.com/org/vdi-operator/test/cluster/internal/layout"
)

const (
	readyInterval = 500 * time.Millisecond
	dialTimeout   = time.Second
)

// listening is ready when a port of the node accepts connections.
func listening(p layout.Port) func(context.Context) error {
	return func(ctx context.Context) error { return dial(ctx, p.Address()) }
}

func dial(ctx context.Context, address string) error {
	dialer := net.Dialer{Timeout: dialTimeout}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return connection.Close()
}

// awaitReady waits until the cluster does what it is for, rather than only says so: after a
// crash the API still tells of a healthy node for a while.
func (c *Cluster) awaitReady(ctx context.Context, client kubectl) error {
	checks := []func(context.Context) error{
		func(ctx context.Context) error { return workloads(ctx, client) },
		func(ctx context.Context) error { return nodeReady(ctx, client, c.GPUs) },
		clusterDNS,
		func(ctx context.Context) error { return knativeAnswers(ctx, client) },
	}
	for _, check := range checks {
		if err := poll(ctx, readyInterval, func() error { return check(ctx) }); err != nil {
			return fmt.Errorf("not ready after %s: %w (look with: cluster status; cluster logs kubelet)", readyLimit, err)
		}
	}
	return nil
}

// workloads checks that every Deployment and DaemonSet of ours has its pods ready.
func workloads(ctx context.Context, client kubectl) error {
	var list struct {
		Items []struct {
			Kind     string
			Metadata struct {
				Name, Namespace string
				Generation      int64
			}
			Spec   struct{ Replicas int }
			Status struct {
				ObservedGeneration                                      int64
				ReadyReplicas, UpdatedReplicas                          int
				DesiredNumberScheduled, NumberReady, UpdatedNumberSched int
			}
		}
	}
	if err := client.get(ctx, &list, "deployments,daemonsets", "--all-namespaces"); err != nil {
		return err
	}
	var waiting []string
	for _, item := range list.Items {
		switch item.Metadata.Namespace {
		case "kube-system", addons.KnativeNamespace, "local-path-storage":
		default:
			continue // somebody else's
		}
		ready, want := item.Status.ReadyReplicas, item.Spec.Replicas
		if item.Kind == "DaemonSet" {
			ready, want = item.Status.NumberReady, max(1, item.Status.DesiredNumberScheduled)
		} else {
			ready = min(ready, item.Status.UpdatedReplicas)
		}
		if ready < want || item.Status.ObservedGeneration < item.Metadata.Generation {
			waiting = append(waiting, item.Metadata.Namespace+"/"+item.Metadata.Name)
		}
	}
	if len(waiting) > 0 {
		return fmt.Errorf("pods of %s are not ready", strings.Join(waiting, ", "))
	}
	return nil
}

// nodeReady checks the node and what it offers.
func nodeReady(ctx context.Context, client kubectl, gpus int) error {
	var node struct {
		Status struct {
			Allocatable map[string]string
			Conditions  []struct{ Type, Status, Message string }
		}
	}
	if err := client.get(ctx, &node, "node", layout.NodeName); err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == "Ready" && condition.Status != "True" {
			return fmt.Errorf("node %s is not ready: %s", layout.NodeName, condition.Message)
		}
	}
	if offered := node.Status.Allocatable["nvidia.com/gpu"]; offered != fmt.Sprint(gpus) && (offered != "" || gpus > 0) {
		return fmt.Errorf("node %s offers nvidia.com/gpu %q and should offer %d", layout.NodeName, offered, gpus)
	}
	return nil
}

// clusterDNS asks the cluster's DNS for the API server's name, through its Service.
func clusterDNS(ctx context.Context) error {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialer := net.Dialer{Timeout: dialTimeout}
		return dialer.DialContext(ctx, "udp", net.JoinHostPort(layout.DNSService, "53"))
	}}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	name := "kubernetes.default.svc." + layout.ClusterDomain + "."
	found, err := resolver.LookupHost(ctx, name)
	if err != nil {
		return fmt.Errorf("cluster DNS: %w", err)
	}
	if len(found) != 1 || found[0] != layout.ServiceGateway {
		return fmt.Errorf("cluster DNS says that %s is %v", name, found)
	}
	return nil
}

// sampleService is what Knative's webhook is asked about, without being created.
const sampleService = `apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: readiness-check, namespace: default}
spec:
  template:
    spec:
      containers: [{image: dev.local/none}]
`

// knativeAnswers checks Knative's webhook and activator through their Services.
func knativeAnswers(ctx context.Context, client kubectl) error {
	if _, err := client.feed(ctx, []byte(sampleService), "create", "--dry-run=server", "--filename=-"); err != nil {
		return err
	}
	var service struct{ Spec struct{ ClusterIP string } }
	if err := client.get(ctx, &service, "service", "activator-service", "--namespace="+addons.KnativeNamespace); err != nil {
		return err
	}
	if service.Spec.ClusterIP == "" {
		return errors.New("the activator of Knative has no cluster address")
	}
	return dial(ctx, net.JoinHostPort(service.Spec.ClusterIP, "80"))
}
