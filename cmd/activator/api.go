package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// api is the API server as the activator uses it: a cache of sessions and of the
// pods it has business with, and a client for activity.
type api struct {
	cache  cache.Cache
	client client.Client
}

func connect(rc *rest.Config, cfg config.Config) (*api, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering API types: %w", err)
		}
	}
	ofSessions, err := labels.NewRequirement(v1alpha1.LabelSession, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	pods := cache.ByObject{Namespaces: map[string]cache.Config{
		cache.AllNamespaces: {LabelSelector: labels.NewSelector().Add(*ofSessions)},
	}}
	if d := cfg.TURN.Discovery; d != nil {
		pods.Namespaces[d.Namespace] = cache.Config{LabelSelector: labels.Everything()}
	}
	c, err := cache.New(rc, cache.Options{
		Scheme:           scheme,
		ByObject:         map[client.Object]cache.ByObject{&corev1.Pod{}: pods},
		DefaultTransform: cache.TransformStripManagedFields(),
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the watch: %w", err)
	}
	w, err := client.New(rc, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("preparing the client: %w", err)
	}
	return &api{cache: c, client: w}, nil
}
