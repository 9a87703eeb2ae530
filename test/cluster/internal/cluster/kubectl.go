package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// fieldManager is the name under which objects are applied.
const fieldManager = "vdi-cluster"

// kubectl is the client that was built with the cluster.
type kubectl struct {
	program    string
	kubeconfig string
}

func (k kubectl) run(ctx context.Context, args ...string) ([]byte, error) {
	return k.feed(ctx, nil, args...)
}

func (k kubectl) feed(ctx context.Context, input []byte, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, k.program, append([]string{"--kubeconfig=" + k.kubeconfig}, args...)...)
	var out, problem bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &problem
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(problem.Bytes()))
	}
	return out.Bytes(), nil
}

// get decodes an answer of "kubectl get".
func (k kubectl) get(ctx context.Context, into any, args ...string) error {
	raw, err := k.run(ctx, append(append([]string{"get"}, args...), "--output=json")...)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// apply applies a file, again and again until ctx ends: right after a start, or while
// Knative's webhook restarts, the first attempts may be refused.
func (k kubectl) apply(ctx context.Context, file string) error {
	return poll(ctx, time.Second, func() error {
		_, err := k.run(ctx, "apply", "--server-side", "--force-conflicts", "--field-manager="+fieldManager, "--filename="+file)
		return err
	})
}

// poll calls try until it succeeds or ctx ends, and then returns its last error.
func poll(ctx context.Context, every time.Duration, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(every):
		}
	}
}
