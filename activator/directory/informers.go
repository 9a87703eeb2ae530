package directory

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Feed keeps the directory current from a cache's informers. It returns once the
// handlers are registered; Synced of each registration says whether the first
// listing has been handled.
func (d *Directory) Feed(ctx context.Context, c cache.Cache) ([]toolscache.ResourceEventHandlerRegistration, error) {
	sessions, err := c.GetInformer(ctx, &v1alpha1.VDISession{})
	if err != nil {
		return nil, fmt.Errorf("watching sessions: %w", err)
	}
	pods, err := c.GetInformer(ctx, &corev1.Pod{})
	if err != nil {
		return nil, fmt.Errorf("watching pods: %w", err)
	}
	onSession, err := sessions.AddEventHandler(handlers(d.SetSession, func(s *v1alpha1.VDISession) {
		d.DropSession(client.ObjectKeyFromObject(s))
	}))
	if err != nil {
		return nil, fmt.Errorf("watching sessions: %w", err)
	}
	onPod, err := pods.AddEventHandler(handlers(d.SetPod, d.DropPod))
	if err != nil {
		return nil, fmt.Errorf("watching pods: %w", err)
	}
	return []toolscache.ResourceEventHandlerRegistration{onSession, onPod}, nil
}

func handlers[T client.Object](set, drop func(T)) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { set(o.(T)) },
		UpdateFunc: func(_, o any) { set(o.(T)) },
		DeleteFunc: func(o any) {
			if tomb, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = tomb.Obj
			}
			if obj, ok := o.(T); ok {
				drop(obj)
			}
		},
	}
}
