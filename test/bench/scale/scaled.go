package main

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

	"github.com/org/vdi-operator/test/bench/replica"
)

// scaled is when each Deployment first asked for a pod.
type scaled struct {
	watching watch.Interface
	ended    chan struct{}

	mu      sync.Mutex
	at      map[string]time.Time
	changed chan struct{}
}

func watchScaled(ctx context.Context, c client.WithWatch) (*scaled, error) {
	w, err := watchFromNow(ctx, c, &appsv1.DeploymentList{})
	if err != nil {
		return nil, err
	}
	s := &scaled{watching: w, ended: make(chan struct{}), at: map[string]time.Time{}, changed: make(chan struct{})}
	go s.follow()
	return s, nil
}

// watchFromNow watches what changes from now on.
func watchFromNow(ctx context.Context, c client.WithWatch, list client.ObjectList) (watch.Interface, error) {
	if err := c.List(ctx, list, client.InNamespace(replica.Namespace), client.Limit(1)); err != nil {
		return nil, err
	}
	return c.Watch(ctx, list, client.InNamespace(replica.Namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})
}

func (s *scaled) follow() {
	defer close(s.ended)
	for e := range s.watching.ResultChan() {
		if d, is := e.Object.(*appsv1.Deployment); is && d.Spec.Replicas != nil && *d.Spec.Replicas > 0 {
			s.note(d.Name, time.Now())
		}
	}
}

func (s *scaled) note(name string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.at[name]; known {
		return
	}
	s.at[name] = at
	close(s.changed)
	s.changed = make(chan struct{})
}

// await returns when the last of these has asked for a pod.
func (s *scaled) await(ctx context.Context, names []string) (last time.Time, err error) {
	for {
		last, missing, changed := s.seen(names)
		if missing == 0 {
			return last, nil
		}
		select {
		case <-changed:
		case <-s.ended:
			return last, errors.New("the watch of Deployments has ended")
		case <-ctx.Done():
			return last, fmt.Errorf("%d of %d Deployments ask for no pod: %w", missing, len(names), context.Cause(ctx))
		}
	}
}

func (s *scaled) seen(names []string) (last time.Time, missing int, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		at, is := s.at[name]
		if !is {
			missing++
		}
		if at.After(last) {
			last = at
		}
	}
	return last, missing, s.changed
}

func (s *scaled) stop() {
	s.watching.Stop()
	<-s.ended
}
