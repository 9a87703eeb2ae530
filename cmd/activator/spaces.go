package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/signins"
	"github.com/org/vdi-operator/pkg/config"
)

// space is a namespace of sessions, or all of them, with a cache of its own: that of a
// namespace without rights is full when it has them, and keeps no other waiting until then.
type space struct {
	cache    cache.Cache
	listings []toolscache.InformerSynced
	// forbidden is whether something could not be read for lack of a right.
	forbidden atomic.Bool
}

// apart are configurations of one namespace of sessions each, coturn's pods with the
// namespace that they are in.
func apart(cfg config.Config) []config.Config {
	if len(cfg.Namespaces) == 0 {
		return []config.Config{cfg}
	}
	all := make([]config.Config, 0, len(cfg.Namespaces))
	for _, namespace := range cfg.Namespaces {
		one := cfg
		one.Namespaces = []string{namespace}
		if d := cfg.TURN.Discovery; d != nil && d.Namespace != namespace {
			one.TURN.Discovery = nil
		}
		all = append(all, one)
	}
	return all
}

func newSpace(rc *rest.Config, scheme *runtime.Scheme, cfg config.Config, mapper meta.RESTMapper, log *slog.Logger) (*space, error) {
	options, err := cacheOptions(scheme, cfg)
	if err != nil {
		return nil, err
	}
	s := &space{}
	options.Mapper = mapper
	options.DefaultWatchErrorHandler = func(ctx context.Context, r *toolscache.Reflector, err error) {
		toolscache.DefaultWatchErrorHandler(ctx, r, err)
		if apierrors.IsForbidden(err) && !s.forbidden.Swap(true) {
			log.Warn("sessions and pods cannot be read; those of other namespaces are served meanwhile", "namespaces", cfg.Namespaces, "error", err)
		}
	}
	s.cache, err = cache.New(rc, options)
	return s, err
}

func (s *space) listed() bool {
	return !slices.ContainsFunc(s.listings, func(synced toolscache.InformerSynced) bool { return !synced() })
}

// settled is whether nothing is to be waited for.
func (s *space) settled() bool { return s.listed() || s.forbidden.Load() }

// feed has the caches keep the directory current. It returns what is to be waited for: a
// listing of each namespace that may be read, and of one at least.
func (a *api) feed(ctx context.Context, dir *directory.Directory, signIns *signins.Store) ([]toolscache.InformerSynced, error) {
	listings := []toolscache.InformerSynced{func() bool { return slices.ContainsFunc(a.spaces, (*space).listed) }}
	for _, s := range a.spaces {
		registrations, err := dir.Feed(ctx, s.cache)
		if err != nil {
			return nil, err
		}
		for _, r := range registrations {
			s.listings = append(s.listings, r.HasSynced)
		}
		listings = append(listings, s.settled)
	}
	if signIns != nil {
		registration, err := signIns.Feed(ctx, a.signIns)
		if err != nil {
			return nil, err
		}
		listings = append(listings, registration.HasSynced)
	}
	if a.coturn == nil {
		return listings, nil
	}
	pods, err := a.coturn.GetInformer(ctx, &corev1.Pod{})
	if err != nil {
		return nil, fmt.Errorf("watching coturn's pods: %w", err)
	}
	return append(listings, pods.HasSynced), nil
}

// start runs the caches until ctx ends.
func (a *api) start(ctx context.Context, group *errgroup.Group) {
	if a.signIns != nil {
		group.Go(func() error { return a.signIns.Start(ctx) })
	}
	own := a.coturn != nil
	for _, s := range a.spaces {
		own = own && s.cache != a.coturn
		group.Go(func() error { return s.cache.Start(ctx) })
	}
	if own {
		group.Go(func() error { return a.coturn.Start(ctx) })
	}
}
