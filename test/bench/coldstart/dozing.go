package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/test/harness"
)

// dozing is a visitor to a desktop that was in use before, and is frozen since.
type dozing struct{ *ours }

// setUp has each desktop visited once, and left.
func (d *dozing) setUp(ctx context.Context, n int) error {
	d.dozeAfter = lifecycle.Shortest
	if err := d.ours.setUp(ctx, n); err != nil {
		return err
	}
	for i := range n {
		if _, err := d.ours.wake(ctx, i); err != nil {
			return err
		}
	}
	for i := range n {
		if err := d.frozen(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (d *dozing) wake(ctx context.Context, i int) (time.Duration, error) {
	if err := d.frozen(ctx, i); err != nil {
		return 0, err
	}
	return d.ours.wake(ctx, i)
}

// frozen waits until the i-th desktop is.
func (d *dozing) frozen(ctx context.Context, i int) error {
	key := types.NamespacedName{Namespace: namespace, Name: fmt.Sprintf("%s-%d", d.called, i)}
	_, err := d.in.Session(ctx, key, "dozing", harness.Frozen)
	return err
}
