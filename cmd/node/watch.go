package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/node/desktops"
)

// watches are one of each namespace: one without rights keeps no other waiting.
type watches []toolscache.InformerSynced

// synced says whether the pods of any namespace are known.
func (w watches) synced() bool {
	return slices.ContainsFunc(w, func(of toolscache.InformerSynced) bool { return of() })
}

// watch shows the pods of sessions on this node, as they change, until ctx ends.
func watch(ctx context.Context, rc *rest.Config, f flags, ds *desktops.Desktops, log *slog.Logger, start func(cache.Cache)) (watches, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering API types: %w", err)
	}
	var all watches
	for _, namespace := range f.spaces() {
		options, err := cacheOptions(scheme, namespace, f.node)
		if err != nil {
			return nil, err
		}
		c, err := cache.New(rc, options)
		if err != nil {
			return nil, fmt.Errorf("preparing the watch: %w", err)
		}
		informer, err := c.GetInformer(ctx, &corev1.Pod{}, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, fmt.Errorf("watching pods: %w", err)
		}
		handled, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { seen(ds, o) },
			UpdateFunc: func(_, o any) { seen(ds, o) },
			DeleteFunc: func(o any) { gone(ds, o) },
		})
		if err != nil {
			return nil, fmt.Errorf("watching pods: %w", err)
		}
		start(c)
		all = append(all, handled.HasSynced)
	}
	log.Debug("watching pods", "namespaces", f.namespaces)
	return all, nil
}

// cacheOptions keep the pods of sessions on one node.
func cacheOptions(scheme *runtime.Scheme, namespace, node string) (cache.Options, error) {
	ofSession, err := labels.Parse(v1alpha1.LabelSession)
	if err != nil {
		return cache.Options{}, err
	}
	pods := cache.ByObject{Label: ofSession, Field: fields.OneTermEqualSelector("spec.nodeName", node), Transform: trimmed}
	return cache.Options{Scheme: scheme, DefaultNamespaces: map[string]cache.Config{namespace: {}},
		ByObject: map[client.Object]cache.ByObject{&corev1.Pod{}: pods}}, nil
}

// trimmed leaves of a pod what says which session's it is, whether it ends, and which container
// is the desktop.
func trimmed(in any) (any, error) {
	p, is := in.(*corev1.Pod)
	if !is {
		return in, nil
	}
	out := &corev1.Pod{TypeMeta: p.TypeMeta}
	out.Namespace, out.Name, out.UID, out.ResourceVersion = p.Namespace, p.Name, p.UID, p.ResourceVersion
	out.DeletionTimestamp = p.DeletionTimestamp
	out.Labels = map[string]string{v1alpha1.LabelSession: p.Labels[v1alpha1.LabelSession]}
	out.Status.Phase = p.Status.Phase
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.DisruptionTarget {
			out.Status.Conditions = append(out.Status.Conditions, corev1.PodCondition{Type: c.Type, Status: c.Status})
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == v1alpha1.ContainerDesktop {
			out.Status.ContainerStatuses = append(out.Status.ContainerStatuses,
				corev1.ContainerStatus{Name: c.Name, ContainerID: c.ContainerID, State: corev1.ContainerState{Running: c.State.Running}})
		}
	}
	return out, nil
}

func seen(ds *desktops.Desktops, o any) {
	if p, is := o.(*corev1.Pod); is {
		ds.Seen(p)
	}
}

func gone(ds *desktops.Desktops, o any) {
	if last, is := o.(toolscache.DeletedFinalStateUnknown); is {
		o = last.Obj
	}
	if p, is := o.(*corev1.Pod); is {
		ds.Gone(p.UID)
	}
}
