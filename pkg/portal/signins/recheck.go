package signins

import (
	"context"
	"errors"
	"hash/fnv"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/portal/provider"
	"github.com/org/vdi-operator/pkg/signin"
)

const (
	// lookEvery is how often sign-ins are looked over.
	lookEvery = 2 * time.Second
	// askFor is how long a replica has a refresh token for itself: longer than the provider is
	// waited for and the answer is kept.
	askFor = time.Minute
	// keepFor is how long the provider's answer is tried to be written.
	keepFor = 25 * time.Second
	// askedAtOnce and askedPerSecond bound what a replica asks of the provider.
	askedAtOnce    = 4
	askedPerSecond = 20
	// sweptPerSecond bounds deletions of what has ended.
	sweptPerSecond = 20
	// unfinishedFor is how long a sign-in may be without a status.
	unfinishedFor = time.Minute
	// awayFirst and awayMost bound the pause after the provider did not answer.
	awayFirst = 2 * time.Second
	awayMost  = time.Minute
)

// Asker is the identity provider.
type Asker interface {
	Refresh(ctx context.Context, refresh string, of provider.Identity) (provider.Identity, error)
}

// Recheck confirms sign-ins at the provider and deletes those that have ended, on every
// replica: a claim in the object's status keeps two from asking with one refresh token.
type Recheck struct {
	Store    *Store
	Provider Asker
	Metrics  *metrics.Portal

	ask, sweep *rate.Limiter
	away       time.Duration // the last pause
	resume     time.Time     // when the provider is asked again
}

// Run works until ctx ends.
func (r *Recheck) Run(ctx context.Context) {
	r.ask, r.sweep = rate.NewLimiter(askedPerSecond, askedAtOnce), rate.NewLimiter(sweptPerSecond, sweptPerSecond)
	wait.JitterUntilWithContext(ctx, r.look, lookEvery, 0.5, false)
}

// look goes through all sign-ins once.
func (r *Recheck) look(ctx context.Context) {
	all := &v1alpha1.VDISignInList{}
	if err := r.Store.Cached.List(ctx, all, client.InNamespace(r.Store.Namespace)); err != nil {
		return // the cache is not filled yet
	}
	var due []*v1alpha1.VDISignIn
	for i := range all.Items {
		in := &all.Items[i]
		switch now := r.Store.Now(); {
		case r.over(in, now):
			r.remove(ctx, in)
		case r.due(in, now):
			due = append(due, in)
		}
	}
	r.askAll(ctx, due)
}

// over says that a sign-in has ended.
func (r *Recheck) over(in *v1alpha1.VDISignIn, now time.Time) bool {
	if in.Status.ValidUntil == nil {
		return now.After(in.CreationTimestamp.Add(unfinishedFor))
	}
	return in.DeletionTimestamp == nil && !signin.Holds(in, now)
}

func (r *Recheck) remove(ctx context.Context, in *v1alpha1.VDISignIn) {
	if !r.sweep.Allow() {
		return // the next look comes soon
	}
	// Only as it is known: another replica may have confirmed it this moment.
	known := client.Preconditions{UID: &in.UID, ResourceVersion: &in.ResourceVersion}
	if err := r.Store.Client.Delete(ctx, in, known); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		r.Store.Log.Warn("a sign-in that has ended cannot be deleted", "signIn", in.Name, "error", err)
	}
}

// due says that the provider has to be asked. Sign-ins of one moment are not due at one
// moment: each comes some time before RecheckEvery is over.
func (r *Recheck) due(in *v1alpha1.VDISignIn, now time.Time) bool {
	if len(in.Status.RefreshToken) == 0 || in.Status.ConfirmedAt == nil || !signin.Holds(in, now) {
		return false
	}
	if asking := in.Status.AskingUntil; asking != nil && now.Before(asking.Time) {
		return false
	}
	return !now.Before(in.Status.ConfirmedAt.Add(r.pause(in)))
}

// pause is between 3/4 of RecheckEvery and all of it.
func (r *Recheck) pause(in *v1alpha1.VDISignIn) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(in.Name + in.Status.ConfirmedAt.UTC().String()))
	every := r.Store.OIDC.RecheckEvery.Duration
	const parts = 1 << 10
	return every - every/4*time.Duration(h.Sum32()%parts)/parts
}

// askAll confirms sign-ins until the provider does not answer.
func (r *Recheck) askAll(ctx context.Context, due []*v1alpha1.VDISignIn) {
	if len(due) == 0 || r.Store.Now().Before(r.resume) {
		return
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(askedAtOnce)
	for _, in := range due {
		if ctx.Err() != nil || r.ask.Wait(ctx) != nil {
			break
		}
		group.Go(func() error { return r.confirm(ctx, in) })
	}
	if err := group.Wait(); errors.Is(err, provider.ErrAway) {
		r.away = min(max(2*r.away, awayFirst), awayMost)
		r.resume = r.Store.Now().Add(wait.Jitter(r.away, 0.2))
		return
	}
	r.away = 0
}

// confirm asks of one sign-in. The only error is that the provider does not answer.
func (r *Recheck) confirm(ctx context.Context, in *v1alpha1.VDISignIn) error {
	if !r.claim(ctx, in) {
		return nil
	}
	was, unreadable := r.Store.identity(in)
	if unreadable != nil {
		r.end(ctx, in, "key_replaced")
		return nil //nolint:nilerr // It is no fault of the provider's.
	}
	// What was asked is asked to its end: the refresh token may be used up.
	ctx = context.WithoutCancel(ctx)
	is, err := r.Provider.Refresh(ctx, was.RefreshToken, was)
	switch {
	case err == nil && is.User != was.User:
		r.end(ctx, in, "renamed")
	case errors.Is(err, provider.ErrEnded), errors.Is(err, provider.ErrNotAllowed), errors.Is(err, provider.ErrClaims):
		r.Store.Log.Info("the identity provider no longer confirms a sign-in", "signIn", in.Name, "error", err)
		r.end(ctx, in, "provider_refused")
	case err != nil:
		r.Metrics.Rechecked(metrics.RecheckAway)
		r.rotate(ctx, in, was, is.RefreshToken)
		r.Store.Log.Warn("a sign-in cannot be confirmed now", "signIn", in.Name, "error", err)
		return away(err)
	case !is.Named && r.Store.outdated(in, r.Store.Now()):
		r.end(ctx, in, "groups_outdated")
	default:
		r.Metrics.Rechecked(metrics.RecheckConfirmed)
		r.keep(ctx, in, is)
	}
	return nil
}

// away leaves of an error that the provider does not answer: one person's bad token keeps
// nobody else waiting.
func away(err error) error {
	if errors.Is(err, provider.ErrAway) {
		return err
	}
	return nil
}

// claim takes the refresh token for this replica, unless somebody has changed the sign-in.
func (r *Recheck) claim(ctx context.Context, in *v1alpha1.VDISignIn) bool {
	before := in.DeepCopy()
	in.Status.AskingUntil = &metav1.Time{Time: r.Store.Now().Add(askFor)}
	err := r.Store.Client.Status().Patch(ctx, in, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return err == nil
}

// end deletes a sign-in that the provider does not confirm.
func (r *Recheck) end(ctx context.Context, in *v1alpha1.VDISignIn, reason string) {
	r.Metrics.Rechecked(metrics.RecheckEnded)
	r.written(ctx, in, "delete", func(ctx context.Context) error { return r.Store.endFor(ctx, in, reason) })
}

// keep writes that the provider has confirmed a sign-in. Nobody else writes these fields
// meanwhile, and what others write, such as a hand-over, stays.
func (r *Recheck) keep(ctx context.Context, in *v1alpha1.VDISignIn, is provider.Identity) {
	if is.Admin != in.Spec.Admin {
		before := in.DeepCopy()
		in.Spec.Admin = is.Admin
		patch := client.MergeFrom(before)
		if !r.written(ctx, in, "patch", func(ctx context.Context) error { return r.Store.Client.Patch(ctx, in.DeepCopy(), patch) }) {
			return // it is asked again, and ends if that goes on
		}
	}
	before := in.DeepCopy()
	r.Store.confirm(in, is, r.Store.Now())
	r.patch(ctx, in, before)
}

// rotate keeps a new refresh token of an answer that confirms nothing.
func (r *Recheck) rotate(ctx context.Context, in *v1alpha1.VDISignIn, was provider.Identity, refresh string) {
	if refresh == "" || refresh == was.RefreshToken {
		return
	}
	before := in.DeepCopy()
	was.RefreshToken = refresh
	r.Store.keep(in, was)
	r.patch(ctx, in, before)
}

func (r *Recheck) patch(ctx context.Context, in, before *v1alpha1.VDISignIn) {
	patch := client.MergeFrom(before)
	r.written(ctx, in, "patch", func(ctx context.Context) error { return r.Store.Client.Status().Patch(ctx, in.DeepCopy(), patch) })
}

// written tries to write for a while: a refresh token that is not kept signs the person out.
func (r *Recheck) written(ctx context.Context, in *v1alpha1.VDISignIn, what string, write func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, keepFor)
	defer cancel()
	err := wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		err := write(ctx)
		return err == nil || apierrors.IsNotFound(err), nil
	})
	if err != nil {
		r.Store.Log.Error("what the identity provider says of a sign-in cannot be written", "signIn", in.Name, "request", what, "error", err)
	}
	return err == nil
}
