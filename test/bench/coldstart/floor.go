package main

import (
	"context"
	"time"

	"github.com/org/vdi-operator/test/bench/plain"
	"github.com/org/vdi-operator/test/harness"
)

const backendPort = 8080

// floor is a plain Deployment: no Knative and no activator.
type floor struct{ deployments plain.Deployments }

func newFloor(in *harness.Installation) *floor {
	return &floor{plain.Deployments{In: in, Namespace: namespace, Pod: backend(in.BenchImage), Port: backendPort}}
}

func (f *floor) name() string { return nameFloor }

func (f *floor) setUp(ctx context.Context, n int) error { return f.deployments.Make(ctx, n) }

func (f *floor) wake(ctx context.Context, i int) (time.Duration, error) {
	_, took, err := f.deployments.Start(ctx, i)
	return took, err
}
