package wake

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// errAsleep says that a report came before the desktop's wake was recorded, or after its
// sleep: it may be sent once more.
var errAsleep = errors.New("the desktop is not recorded as awake")

// Input reports that somebody typed or moved the pointer at that time, which is no
// later than now, and so that something watches. It is written also when whoever reported it
// has left meanwhile. A report that comes soon after another one is not written. One from
// before the desktop woke says only that something watches: a display's clock may be older
// than the desktop's use.
func (t *Tracker) Input(ctx context.Context, s *v1alpha1.VDISession, at time.Time) error {
	key, every := client.ObjectKeyFromObject(s), writeInputEvery(s)
	if now := time.Now(); at.After(now) {
		at = now
	}
	switch woke := s.Status.StartTime; {
	case woke == nil:
		return nil
	case at.Before(woke.Time):
		return t.Watches(ctx, s)
	}
	t.mu.Lock()
	v := t.of(key)
	before := v.typed
	if !before.IsZero() && at.Sub(before) < every {
		t.mu.Unlock()
		return nil
	}
	v.typed = at
	t.mu.Unlock()

	// Who typed was connected, whatever became of the connection that we saw.
	err := t.write(context.WithoutCancel(ctx), key, record.Activity{Connected: at, Input: at})
	if err != nil {
		t.log.Warn("input was not recorded", "namespace", key.Namespace, "session", key.Name, "error", err)
		t.mu.Lock()
		defer t.mu.Unlock()
		if v.typed.Equal(at) {
			v.typed = before
		}
	}
	return err
}

// Watches reports that something that sees input watches the desktop, whether or not
// anybody has typed. It is written once for each time that the desktop is awake.
func (t *Tracker) Watches(ctx context.Context, s *v1alpha1.VDISession) error {
	woke, key := s.Status.StartTime, client.ObjectKeyFromObject(s)
	if woke == nil {
		return errAsleep
	}
	if watched(time.Now(), s) {
		return nil
	}
	now := record.After(time.Now(), woke)
	t.mu.Lock()
	v := t.of(key)
	before := v.watched
	if before.After(woke.Time) { // and the informer is behind, or it is being written
		t.mu.Unlock()
		return nil
	}
	v.watched = now
	t.mu.Unlock()
	err := t.write(context.WithoutCancel(ctx), key, record.Activity{Watched: now})
	if err != nil {
		t.log.Warn("that input is watched was not recorded", "namespace", key.Namespace, "session", key.Name, "error", err)
		t.mu.Lock()
		defer t.mu.Unlock()
		if v.watched.Equal(now) {
			v.watched = before
		}
	}
	return err
}
