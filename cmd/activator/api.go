package main

import (
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/trim"
)

// api is the API server as the activator uses it: a cache of sessions and of the
// pods it has business with, and a client for activity.
type api struct {
	cache  cache.Cache
	client client.Client
}

func connect(rc *rest.Config, cfg config.Config) (*api, error) {
	scheme := runtime.NewScheme()
	types := runtime.NewSchemeBuilder(corev1.AddToScheme, coordinationv1.AddToScheme, v1alpha1.AddToScheme)
	if err := types.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering API types: %w", err)
	}
	options, err := cacheOptions(scheme, cfg)
	if err != nil {
		return nil, err
	}
	c, err := cache.New(rc, options)
	if err != nil {
		return nil, fmt.Errorf("preparing the watch: %w", err)
	}
	w, err := client.New(rc, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("preparing the client: %w", err)
	}
	return &api{cache: c, client: w}, nil
}

// cacheOptions keep the sessions of this installation's namespaces with their pods, and
// coturn's pods where the TURN server is found by them.
func cacheOptions(scheme *runtime.Scheme, cfg config.Config) (cache.Options, error) {
	ofSession, err := labels.Parse(v1alpha1.LabelSession)
	if err != nil {
		return cache.Options{}, err
	}
	selected := cache.Config{LabelSelector: ofSession}
	sessions, pods := map[string]cache.Config{}, map[string]cache.Config{} // no namespace is everywhere
	if len(cfg.Namespaces) == 0 {
		pods[cache.AllNamespaces] = selected
	}
	for _, namespace := range cfg.Namespaces {
		sessions[namespace], pods[namespace] = cache.Config{}, selected
	}
	if d := cfg.TURN.Discovery; d != nil {
		pods[d.Namespace] = cache.Config{LabelSelector: labels.Everything()}
	}
	return cache.Options{
		Scheme:            scheme,
		DefaultNamespaces: sessions,
		ByObject:          map[client.Object]cache.ByObject{&corev1.Pod{}: {Namespaces: pods}},
		DefaultTransform:  trim.Object,
	}, nil
}
