package main

import (
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/bench/replica"
	"github.com/org/vdi-operator/test/bench/scaled"
)

const (
	// edited changes every session: its status shows the clock, its desktop has the image.
	edited      = `{"spec":{"image":"dev.local/desktop:2","lifecycle":{"idleTimeout":"25m"}}}`
	editedClock = 25 * time.Minute
	// amid is the share of the sessions that the change has come to when somebody visits
	// another.
	amid = 10
)

// edit changes the template and wakes a session amid that.
func (s *scene) edit(ctx context.Context, r *result) error {
	say("editing the template")
	ctx, cancel := s.within(ctx)
	defer cancel()
	changes, err := scaled.FromNow(ctx, s.world.Client(), &v1alpha1.VDISessionList{}, replica.Namespace)
	if err != nil {
		return err
	}
	defer changes.Stop()
	template := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: templateName}}
	began := time.Now()
	if err := s.world.Client().Patch(ctx, template, client.RawPatch(types.MergePatchType, []byte(edited))); err != nil {
		return err
	}
	type woken struct {
		took time.Duration
		err  error
	}
	done, reached, wake := make(chan woken, 1), map[string]bool{}, woken{}
	for len(reached) < len(s.sessions) {
		e, more := <-changes.ResultChan()
		if !more {
			return errors.Join(errors.New("the watch of sessions has ended"), ctx.Err())
		}
		one, is := e.Object.(*v1alpha1.VDISession)
		if !is || one.Status.Lifecycle == nil || one.Status.Lifecycle.IdleTimeout.OrZero() != editedClock || reached[one.Name] {
			continue
		}
		if reached[one.Name] = true; len(reached) == max(1, len(s.sessions)/amid) {
			other := s.except(reached)
			go func() {
				took, err := s.wake(ctx, other)
				done <- woken{took, err}
			}()
		}
	}
	r.edit = time.Since(began)
	wake = <-done
	r.wake = wake.took
	return wake.err
}

// except is a session that is not one of those.
func (s *scene) except(those map[string]bool) *v1alpha1.VDISession {
	for _, one := range s.sessions {
		if !those[one.Name] {
			return one
		}
	}
	return s.sessions[0]
}
