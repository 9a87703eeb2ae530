package main

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/trim"
)

// api is the API server as the portal uses it: a cache, and a client beside it for what must
// be as it is now.
type api struct {
	cache  cache.Cache
	direct client.Client
	// pages reads the cache, and writes.
	pages client.Client
}

func connect(rc *rest.Config, cfg config.Config) (*api, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering API types: %w", err)
	}
	c, err := cache.New(rc, cacheOptions(scheme, cfg))
	if err != nil {
		return nil, fmt.Errorf("preparing the watch: %w", err)
	}
	direct, err := client.New(rc, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("preparing the client: %w", err)
	}
	pages, err := client.New(rc, client.Options{Scheme: scheme, Cache: &client.CacheOptions{Reader: c}})
	if err != nil {
		return nil, fmt.Errorf("preparing the pages' client: %w", err)
	}
	return &api{cache: c, direct: direct, pages: pages}, nil
}

// cacheOptions keep sign-ins of the installation's namespace, and sessions and templates of
// the namespaces that it serves.
func cacheOptions(scheme *runtime.Scheme, cfg config.Config) cache.Options {
	served := map[string]cache.Config{} // no namespace is everywhere
	for _, namespace := range cfg.Namespaces {
		served[namespace] = cache.Config{}
	}
	own := map[string]cache.Config{cfg.Installation.Namespace: {}}
	return cache.Options{Scheme: scheme, DefaultNamespaces: served, DefaultTransform: trim.Object,
		ByObject: map[client.Object]cache.ByObject{&v1alpha1.VDISignIn{}: {Namespaces: own}}}
}

// watch makes the caches, so that they fill.
func (a *api) watch(ctx context.Context) error {
	for _, of := range []client.Object{&v1alpha1.VDISignIn{}, &v1alpha1.VDISession{}, &v1alpha1.VDITemplate{}} {
		if _, err := a.cache.GetInformer(ctx, of, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("watching %T: %w", of, err)
		}
	}
	return nil
}

// await returns when the caches are full.
func (a *api) await(ctx context.Context) error {
	if !a.cache.WaitForCacheSync(ctx) {
		return errors.New("stopped before the first listing of sign-ins, sessions and templates was complete")
	}
	return nil
}
