// Package scaled sees when Deployments ask for their pods.
package scaled

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Deployments is when each Deployment of a namespace first asked for a pod.
type Deployments struct {
	watching watch.Interface
	ended    chan struct{}

	mu      sync.Mutex
	at      map[string]time.Time
	changed chan struct{}
}

// Watch sees those that ask from now on. The caller ends it with Stop.
func Watch(ctx context.Context, c client.WithWatch, namespace string) (*Deployments, error) {
	w, err := FromNow(ctx, c, &appsv1.DeploymentList{}, namespace)
	if err != nil {
		return nil, err
	}
	d := &Deployments{watching: w, ended: make(chan struct{}), at: map[string]time.Time{}, changed: make(chan struct{})}
	go d.follow()
	return d, nil
}

// FromNow watches what changes from now on.
func FromNow(ctx context.Context, c client.WithWatch, list client.ObjectList, namespace string) (watch.Interface, error) {
	if err := c.List(ctx, list, client.InNamespace(namespace), client.Limit(1)); err != nil {
		return nil, err
	}
	return c.Watch(ctx, list, client.InNamespace(namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})
}

func (d *Deployments) follow() {
	defer close(d.ended)
	for e := range d.watching.ResultChan() {
		if one, is := e.Object.(*appsv1.Deployment); is && one.Spec.Replicas != nil && *one.Spec.Replicas > 0 {
			d.note(one.Name, time.Now())
		}
	}
}

func (d *Deployments) note(name string, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.at[name]; known {
		return
	}
	d.at[name] = at
	close(d.changed)
	d.changed = make(chan struct{})
}

// Await returns when the last of these has asked for a pod.
func (d *Deployments) Await(ctx context.Context, names []string) (last time.Time, err error) {
	for {
		last, missing, changed := d.seen(names)
		if missing == 0 {
			return last, nil
		}
		select {
		case <-changed:
		case <-d.ended:
			return last, errors.New("the watch of Deployments has ended")
		case <-ctx.Done():
			return last, fmt.Errorf("%d of %d Deployments ask for no pod: %w", missing, len(names), context.Cause(ctx))
		}
	}
}

// Asked is whether one has asked for a pod.
func (d *Deployments) Asked(name string) bool {
	_, missing, _ := d.seen([]string{name})
	return missing == 0
}

func (d *Deployments) seen(names []string) (last time.Time, missing int, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		at, is := d.at[name]
		if !is {
			missing++
		}
		if at.After(last) {
			last = at
		}
	}
	return last, missing, d.changed
}

// Stop ends the watch.
func (d *Deployments) Stop() {
	d.watching.Stop()
	<-d.ended
}
