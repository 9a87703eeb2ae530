package main

import (
	"context"
	"errors"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/org/vdi-operator/pkg/node"
	"github.com/org/vdi-operator/pkg/node/desktops"
)

// sessions are asked once the API server has answered.
type sessions struct{ known atomic.Pointer[node.Sessions] }

func (s *sessions) connect(rc *rest.Config, installation string) error {
	api, err := reader(rc)
	if err != nil {
		return err
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
