package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/watched"
)

// findNamespaces looks which namespaces of cfg can be served, and leaves the others out of it:
// the caches of one without rights would never be full, and the controllers wait for all.
func findNamespaces(ctx context.Context, rc *rest.Config, scheme *runtime.Scheme, cfg *config.Config) (*watched.Namespaces, error) {
	c, err := client.New(rc, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("client without a cache: %w", err)
	}
	found, err := watched.Find(ctx, c, cfg.Namespaces)
	if err != nil {
		return nil, err
	}
	for _, name := range found.Left() {
		ctrl.Log.Info("a namespace of watchNamespaces cannot be served and is left out until it can", "namespace", name)
	}
	if !found.Nowhere() { // None named would be all.
		cfg.Namespaces = found.Served()
	}
	return found, nil
}

// watchNamespaces ends the process in good order when its caches have to be made anew: a
// cache's namespaces are given once and for all. The lease goes back, and kubelet starts the
// next process.
func (o *operator) watchNamespaces(end context.CancelFunc) everyReplica {
	return func(ctx context.Context) error {
		if !o.namespaces.Named() {
			return nil
		}
		filling := func() bool { return !o.started.Load() }
		if why := o.namespaces.Watch(ctx, o.conditions, filling); why != "" {
			o.manager.GetLogger().Info("the operator ends to start anew", "why", why)
			end()
		}
		return nil
	}
}
