package uninstall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/session"
)

// workers is how many sessions are worked on at once; the API server has limits of its
// own.
const workers = 32

// attempt is what came of one attempt to release one session.
type attempt struct {
	key types.NamespacedName
	// deleted is whether somebody had deleted the session.
	deleted bool
	// remaining is what is still there of its desktop, in words.
	remaining string
	err       error
}

func (l attempt) over() bool { return l.err == nil && l.remaining == "" }

// takeSessions takes every session's desktop away and releases the session as soon as
// that is gone; at until it releases all that are left. An error is about desktops
// that could not be asked to stop, and sessions that could not be released.
func (u *Uninstaller) takeSessions(ctx context.Context, until time.Time) error {
	pending, unknown := u.sessions(ctx)
	return errors.Join(unknown, u.take(ctx, pending, until))
}

// take is takeSessions of these.
func (u *Uninstaller) take(ctx context.Context, pending []types.NamespacedName, until time.Time) error {
	u.say("Taking the desktops of %s away.", count(len(pending), "session"))
	deleted, said := 0, ""
	for len(pending) > 0 {
		last := !time.Now().Before(until)
		attempts := u.round(ctx, pending, last)
		if last {
			return u.leave(attempts)
		}
		pending = pending[:0]
		var first attempt
		for _, l := range attempts {
			switch {
			case !l.over():
				if len(pending) == 0 {
					first = l
				}
				pending = append(pending, l.key)
			case l.deleted:
				deleted++
			}
		}
		if text := waiting(len(pending), first); text != said && text != "" {
			u.say("%s", text)
			said = text
		}
		if len(pending) > 0 && !pause(ctx) {
			return fmt.Errorf("sessions that could not be released: %d: %w", len(pending), ctx.Err())
		}
	}
	if deleted > 0 {
		u.say("Finished deleting %s.", count(deleted, "session"))
	}
	return nil
}

func waiting(n int, first attempt) string {
	switch {
	case n == 0:
		return ""
	case first.err != nil:
		return fmt.Sprintf("Trying again with %s; %s: %s", count(n, "session"), first.key, first.err)
	default:
		return fmt.Sprintf("Waiting for %s to stop; of %s there is still %s.", count(n, "desktop"), first.key, first.remaining)
	}
}

// leave reports what the last round had to leave behind.
func (u *Uninstaller) leave(attempts []attempt) error {
	var errs []error
	for _, l := range attempts {
		switch {
		case l.err != nil:
			errs = append(errs, fmt.Errorf("session %s: %w", l.key, l.err))
		case l.remaining != "":
			u.say("Did not wait longer for the desktop of %s: %s was asked to stop and goes when it can.", l.key, l.remaining)
		}
	}
	return errors.Join(errs...)
}

// round makes one attempt at each session.
func (u *Uninstaller) round(ctx context.Context, keys []types.NamespacedName, last bool) []attempt {
	attempts := make([]attempt, len(keys))
	var g errgroup.Group
	g.SetLimit(workers)
	for i, key := range keys {
		g.Go(func() error {
			attempts[i] = u.try(ctx, key, last)
			return nil
		})
	}
	_ = g.Wait() // Errors are in the attempts.
	return attempts
}

// try stops a session's desktop, and releases the session when nothing of it is left; the
// last time in any case.
func (u *Uninstaller) try(ctx context.Context, key types.NamespacedName, last bool) attempt {
	l := attempt{key: key}
	// Activators may write to the session meanwhile.
	l.err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		s := &v1alpha1.VDISession{}
		if err := u.Client.Get(ctx, key, s); err != nil {
			return client.IgnoreNotFound(err)
		}
		l.deleted = !s.DeletionTimestamp.IsZero()
		var err error
		l.remaining, err = u.Workload.Delete(ctx, s)
		if (err != nil || l.remaining != "") && !last {
			return err
		}
		return errors.Join(err, u.release(ctx, s, last))
	})
	return l
}

func (u *Uninstaller) release(ctx context.Context, s *v1alpha1.VDISession, last bool) error {
	var err error
	if s.DeletionTimestamp.IsZero() {
		// Without the installation's key nobody believes the tokens.
		err = errors.Join(session.RemovePodTokens(ctx, u.Client, s), u.sayNotServed(ctx, s))
	} else {
		err = session.LetGo(ctx, u.Client, s)
	}
	if err == nil || last {
		err = errors.Join(err, session.RemoveFinalizer(ctx, u.Client, s))
	}
	return err
}

// sessions lists this installation's; none where the definition is gone, and with it
// they are.
func (u *Uninstaller) sessions(ctx context.Context) ([]types.NamespacedName, error) {
	var keys []types.NamespacedName
	var errs []error
	for _, namespace := range u.spaces() {
		list := &v1alpha1.VDISessionList{}
		if err := u.Client.List(ctx, list, client.InNamespace(namespace)); meta.IsNoMatchError(err) {
			u.say("The definition of VDISessions is gone, and with it all sessions.")
			return nil, nil
		} else if err != nil {
			errs = append(errs, unlisted(namespace, err))
		}
		for i := range list.Items {
			if key := client.ObjectKeyFromObject(&list.Items[i]); u.ours(ctx, key.Namespace) {
				keys = append(keys, key)
			}
		}
	}
	return keys, errors.Join(errs...)
}

// unlisted is why the sessions of a namespace are not known.
func unlisted(namespace string, err error) error {
	if apierrors.IsForbidden(err) && namespace != metav1.NamespaceAll {
		return fmt.Errorf("namespace %s: the operator has no rights there: helm upgrade makes its Role and RoleBinding anew, or, with the "+
			"namespace taken out of watchNamespaces, leaves it out: %w", namespace, err)
	}
	return fmt.Errorf("list sessions: %w", err)
}

// spaces are the namespaces to list in; the empty one is all.
func (u *Uninstaller) spaces() []string {
	if len(u.Namespaces) == 0 {
		return []string{metav1.NamespaceAll}
	}
	return slices.DeleteFunc(slices.Clone(u.Namespaces), func(name string) bool { return slices.Contains(u.gone, name) })
}
