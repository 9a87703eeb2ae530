package main

import (
	"fmt"
	"log/slog"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/signins"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/trim"
)

// api is the API server as the activator uses it: caches of sessions and of the
// pods it has business with, and a client for activity.
type api struct {
	// spaces have a namespace of sessions each, or one has all.
	spaces []*space
	// coturn has the TURN server's pods, where it is found by them.
	coturn cache.Cache
	// signIns has who has signed in, where people do.
	signIns cache.Cache
	client  client.Client
}

func connect(rc *rest.Config, cfg config.Config, log *slog.Logger) (*api, error) {
	scheme := runtime.NewScheme()
	types := runtime.NewSchemeBuilder(corev1.AddToScheme, coordinationv1.AddToScheme, v1alpha1.AddToScheme)
	if err := types.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering API types: %w", err)
	}
	w, err := client.New(rc, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("preparing the client: %w", err)
	}
	a := &api{client: w}
	for _, one := range apart(cfg) {
		s, err := newSpace(rc, scheme, one, w.RESTMapper(), log)
		if err != nil {
			return nil, fmt.Errorf("preparing the watch: %w", err)
		}
		a.spaces = append(a.spaces, s)
		if one.TURN.Discovery != nil {
			a.coturn = s.cache
		}
	}
	if d := cfg.TURN.Discovery; d != nil && a.coturn == nil {
		a.coturn, err = cache.New(rc, cache.Options{Scheme: scheme, Mapper: w.RESTMapper(), DefaultTransform: trim.Object,
			DefaultNamespaces: map[string]cache.Config{d.Namespace: {}}})
		if err != nil {
			return nil, fmt.Errorf("preparing the watch of coturn's pods: %w", err)
		}
	}
	if cfg.Auth.OIDC != nil {
		a.signIns, err = cache.New(rc, cache.Options{Scheme: scheme, Mapper: w.RESTMapper(), DefaultTransform: signins.Trimmed,
			DefaultNamespaces: map[string]cache.Config{cfg.Installation.Namespace: {}}})
		if err != nil {
			return nil, fmt.Errorf("preparing the watch of sign-ins: %w", err)
		}
	}
	return a, nil
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
