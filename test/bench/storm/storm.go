package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/test/bench/scaled"
)

// storm visits all workloads at once and returns how long it took until the last Deployment
// asked for a pod.
func storm(ctx context.Context, c client.WithWatch, of contender, wakes int) (time.Duration, error) {
	names, err := atZero(ctx, c, wakes)
	if err != nil {
		return 0, err
	}
	asked, err := scaled.Watch(ctx, c, namespace)
	if err != nil {
		return 0, err
	}
	defer asked.Stop()
	var visitors sync.WaitGroup
	defer visitors.Wait()
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	for i := range wakes {
		visitors.Go(func() { leave(fmt.Errorf("visit %d: %w", i, of.visit(ctx, i))) })
	}
	last, err := asked.Await(ctx, names)
	took := last.Sub(began)
	fmt.Fprintf(os.Stderr, "%s: %d wakes in %s\n", of.name(), wakes, took.Round(time.Millisecond))
	return took, err
}

// atZero are the names of the Deployments, of which each is at zero.
func atZero(ctx context.Context, c client.Client, wakes int) ([]string, error) {
	var list appsv1.DeploymentList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	var names []string
	for i := range list.Items {
		if d := &list.Items[i]; *d.Spec.Replicas == 0 && d.Status.Replicas == 0 {
			names = append(names, d.Name)
		}
	}
	if len(names) != wakes || len(list.Items) != wakes {
		return nil, fmt.Errorf("%d of %d Deployments are at zero, want %d of %[3]d", len(names), len(list.Items), wakes)
	}
	return names, nil
}
