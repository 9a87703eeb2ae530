// Package signins is the activator's view of who has signed in at the portal, fed by an
// informer and read on every request.
//
// It keeps nothing of what is encrypted in a sign-in, promises that a look-up takes no API call,
// and that those who ask to be told learn of each that has changed.
package signins

import (
	"context"
	"fmt"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/trim"
)

// Store holds sign-ins by their name.
type Store struct {
	onChange []func(name string)

	mu     sync.RWMutex
	byName map[string]*v1alpha1.VDISignIn
	// changed is closed at the next change.
	changed chan struct{}
}

// New makes an empty store.
func New() *Store {
	return &Store{byName: map[string]*v1alpha1.VDISignIn{}, changed: make(chan struct{})}
}

// Get returns the sign-in of that name as it is now; nil where there is none. It is shared: it
// must not be changed.
func (s *Store) Get(name string) *v1alpha1.VDISignIn {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byName[name]
}

// Await returns the sign-in of that name once there is one; nil where ctx ends before.
func (s *Store) Await(ctx context.Context, name string) *v1alpha1.VDISignIn {
	for {
		s.mu.RLock()
		found, changed := s.byName[name], s.changed
		s.mu.RUnlock()
		if found != nil {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Observe calls f with the name of each sign-in that has changed or gone; f must not block. Call
// it before the first is set.
func (s *Store) Observe(f func(name string)) { s.onChange = append(s.onChange, f) }

// Set records a sign-in that is new or has changed.
func (s *Store) Set(o *v1alpha1.VDISignIn) {
	s.change(o.Name, func() { s.byName[o.Name] = o })
}

// Drop forgets a sign-in that was deleted.
func (s *Store) Drop(o *v1alpha1.VDISignIn) {
	s.change(o.Name, func() { delete(s.byName, o.Name) })
}

func (s *Store) change(name string, how func()) {
	s.mu.Lock()
	how()
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	for _, f := range s.onChange {
		f(name)
	}
}

// Feed keeps the store current from a cache's informer. HasSynced of what it returns says
// whether the first listing has been handled.
func (s *Store) Feed(ctx context.Context, c cache.Cache) (toolscache.ResourceEventHandlerRegistration, error) {
	informer, err := c.GetInformer(ctx, &v1alpha1.VDISignIn{})
	if err != nil {
		return nil, fmt.Errorf("watching sign-ins: %w", err)
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { s.Set(o.(*v1alpha1.VDISignIn)) },
		UpdateFunc: func(_, o any) { s.Set(o.(*v1alpha1.VDISignIn)) },
		DeleteFunc: func(o any) {
			if tomb, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = tomb.Obj
			}
			if gone, ok := o.(*v1alpha1.VDISignIn); ok {
				s.Drop(gone)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watching sign-ins: %w", err)
	}
	return registration, nil
}

// Trimmed is a cache's transform: without what is the portal's alone.
func Trimmed(in any) (any, error) {
	if s, is := in.(*v1alpha1.VDISignIn); is && (s.Status.RefreshToken != nil || s.Status.IDToken != nil || s.Status.Handovers != nil) {
		s.Status.RefreshToken, s.Status.IDToken, s.Status.Handovers = nil, nil, nil
	}
	return trim.Object(in)
}
