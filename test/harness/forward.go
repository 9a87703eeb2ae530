package harness

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"time"

	"github.com/org/vdi-operator/pkg/eventually"
)

const forwardWithin = 30 * time.Second

// forward makes the activator of a cluster elsewhere answer at the installation's
// address until ctx ends, as a person would with kubectl.
func (in *Installation) forward(ctx context.Context) error {
	_, port, err := net.SplitHostPort(in.Address)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "kubectl", "--kubeconfig", in.Kubeconfig, "--namespace", in.SystemNamespace,
		"port-forward", "service/vdi-activator", port+":80")
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("forwarding a port to the activator: %w", err)
	}
	go func() { _ = cmd.Wait() }()
	wait, cancel := context.WithTimeout(ctx, forwardWithin)
	defer cancel()
	return eventually.Wait(wait, "the port-forward to the activator", func() error {
		conn, err := net.Dial("tcp", in.Address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
