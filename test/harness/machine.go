package harness

import (
	"context"
	"errors"
	"path/filepath"
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
