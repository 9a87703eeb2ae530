package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/node"
	"github.com/org/vdi-operator/pkg/node/desktops"
)

// sessions are asked once the API server has answered.
type sessions struct{ known atomic.Pointer[node.Sessions] }

func (s *sessions) connect(rc *rest.Config, installation string) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(coordinationv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("registering API types: %w", err)
	}
	api, err := client.New(rc, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("preparing the client: %w", err)
	}
	s.known.Store(&node.Sessions{API: api, Installation: installation})
	return nil
}

func (s *sessions) Ask(ctx context.Context, session types.NamespacedName, pod types.UID) (desktops.Says, error) {
	known := s.known.Load()
	if known == nil {
		return "", errors.New("the API server has not answered yet")
	}
	return known.Ask(ctx, session, pod)
}
