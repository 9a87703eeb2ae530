// Package signins keeps who has signed in as VDISignIn objects, confirms them at the identity
// provider, and hands people over to sessions.
//
// Replicas of the portal share nothing but these objects. What must happen once, such as the
// use of a hand-over or of a refresh token, happens under the API server's optimistic locking.
package signins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/portal/provider"
	"github.com/org/vdi-operator/pkg/portal/seal"
	"github.com/org/vdi-operator/pkg/signin"
)

// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisignins,namespace=vdi-system,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisignins/status,namespace=vdi-system,verbs=update;patch

const (
	// mostPerPerson is how many sign-ins a person has at once, a browser each: objects, and questions
	// to the provider.
	mostPerPerson = 20
	// maxUnknown bounds the names that are known to be no sign-in's, some 100 bytes each.
	maxUnknown = 1 << 12
	// What a token is sealed for, beside the object's name.
	refreshOf, idOf = "refresh token of ", "ID token of "
)

// ErrSignedOut says that a sign-in has ended, or never was.
var ErrSignedOut = errors.New("the sign-in has ended")

// Options are a store's.
type Options struct {
	// Client reads and writes at the API server itself; Cached reads a watch's cache.
	Client client.Client
	Cached client.Reader
	// Namespace is the installation's.
	Namespace string
	OIDC      config.OIDC
	Box       *seal.Box
	// Audit says which sign-ins ended without the person's asking; nil says nothing.
	Audit *audit.Log
	Log   *slog.Logger
	Now   func() time.Time
}

// Store has the sign-ins. It is safe for concurrent use.
type Store struct {
	Options
	// unknown are names that no sign-in has: a name that was none never becomes one, since a
	// person gets the cookie after the object is there.
	unknown *lru.Cache
}

// New makes a store.
func New(o Options) *Store { return &Store{Options: o, unknown: lru.New(maxUnknown)} }

func (s *Store) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: s.Namespace, Name: name}
}

// Begin signs somebody in. The secret is for the person's cookie alone, and is never one that
// was there before.
func (s *Store) Begin(ctx context.Context, id provider.Identity) (secret string, err error) {
	if err := s.endOldest(ctx, id); err != nil {
		return "", err
	}
	secret = signin.NewSecret()
	now := s.Now()
	in := &v1alpha1.VDISignIn{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: signin.Name(secret)},
		Spec: v1alpha1.VDISignInSpec{Issuer: s.OIDC.Issuer, Subject: id.Subject, ProviderSession: id.Session, User: id.User, Admin: id.Admin,
			ExpiresAt: metav1.NewTime(now.Add(s.OIDC.SignInFor.Duration))}}
	if err := s.Client.Create(ctx, in); err != nil {
		return "", fmt.Errorf("creating a sign-in: %w", err)
	}
	s.confirm(in, id, now)
	if err := s.Client.Status().Update(ctx, in); err != nil {
		_ = s.Client.Delete(context.WithoutCancel(ctx), in) // without a status it holds for nobody, and is swept
		return "", fmt.Errorf("writing a sign-in: %w", err)
	}
	return secret, nil
}

// endOldest makes room for another sign-in of a person.
func (s *Store) endOldest(ctx context.Context, id provider.Identity) error {
	all := &v1alpha1.VDISignInList{}
	if err := s.Cached.List(ctx, all, client.InNamespace(s.Namespace)); err != nil {
		return fmt.Errorf("listing sign-ins: %w", err)
	}
	theirs := slices.DeleteFunc(all.Items, func(in v1alpha1.VDISignIn) bool {
		return in.Spec.Issuer != s.OIDC.Issuer || in.Spec.Subject != id.Subject || in.DeletionTimestamp != nil
	})
	slices.SortFunc(theirs, func(a, b v1alpha1.VDISignIn) int { return a.Spec.ExpiresAt.Compare(b.Spec.ExpiresAt.Time) })
	for i := 0; i <= len(theirs)-mostPerPerson; i++ {
		if err := s.endFor(ctx, &theirs[i], "too_many_sign_ins"); err != nil {
			return err
		}
	}
	return nil
}

// confirm writes into a sign-in that the provider confirms it now.
func (s *Store) confirm(in *v1alpha1.VDISignIn, id provider.Identity, now time.Time) {
	until := now.Add(s.OIDC.RecheckEvery.Duration + s.OIDC.KeepWhileAway.Duration)
	if id.RefreshToken == "" {
		// Nobody can be asked. The ID token's own end says nothing of how long a person stays signed
		// in (OpenID Connect Core, section 2), and is an hour or less with most.
		until = now.Add(s.OIDC.UnconfirmedFor.Duration)
	}
	if until.After(in.Spec.ExpiresAt.Time) {
		until = in.Spec.ExpiresAt.Time
	}
	in.Status.ValidUntil, in.Status.ConfirmedAt = &metav1.Time{Time: until}, &metav1.Time{Time: now}
	in.Status.AskingUntil = nil
	if id.Named || in.Status.NamedAt == nil {
		in.Status.NamedAt = &metav1.Time{Time: now}
	}
	s.keep(in, id)
}

// outdated says that a sign-in rests on groups which the provider has not told for too long. With
// another sign-in, which most people do not see, it tells them.
func (s *Store) outdated(in *v1alpha1.VDISignIn, now time.Time) bool {
	rests := in.Spec.Admin || len(s.OIDC.AllowedGroups) > 0
	return rests && in.Status.NamedAt != nil && !now.Before(in.Status.NamedAt.Add(s.OIDC.UnconfirmedFor.Duration))
}

// keep seals an identity's tokens with the current key.
func (s *Store) keep(in *v1alpha1.VDISignIn, id provider.Identity) {
	in.Status.RefreshToken, in.Status.IDToken = s.sealed(refreshOf+in.Name, id.RefreshToken), s.sealed(idOf+in.Name, id.IDToken)
}

func (s *Store) sealed(of, token string) []byte {
	if token == "" {
		return nil
	}
	return s.Box.Seal([]byte(token), of)
}

// identity is what a sign-in keeps of who it is of.
func (s *Store) identity(in *v1alpha1.VDISignIn) (provider.Identity, error) {
	id := provider.Identity{Subject: in.Spec.Subject, Session: in.Spec.ProviderSession, User: in.Spec.User, Admin: in.Spec.Admin, IDToken: s.IDToken(in)}
	refresh, err := s.Box.Open(in.Status.RefreshToken, refreshOf+in.Name)
	id.RefreshToken = string(refresh)
	return id, err
}

// IDToken is what the provider gave, for a sign-out there; empty where no key opens it.
func (s *Store) IDToken(in *v1alpha1.VDISignIn) string {
	raw, _ := s.Box.Open(in.Status.IDToken, idOf+in.Name)
	return string(raw)
}

// Known says that Find asks the API server nothing.
func (s *Store) Known(ctx context.Context, secret string) bool {
	name := signin.Name(secret)
	if _, unknown := s.unknown.Get(name); unknown {
		return true
	}
	in := &v1alpha1.VDISignIn{}
	return s.Cached.Get(ctx, s.key(name), in) == nil && in.Status.ValidUntil != nil
}

// Find is the sign-in of a cookie's secret: ErrSignedOut if there is none that holds. One
// that another replica has just made may not be in the cache yet.
func (s *Store) Find(ctx context.Context, secret string) (*v1alpha1.VDISignIn, error) {
	name := signin.Name(secret)
	if _, unknown := s.unknown.Get(name); unknown {
		return nil, ErrSignedOut
	}
	in := &v1alpha1.VDISignIn{}
	err := s.Cached.Get(ctx, s.key(name), in)
	if apierrors.IsNotFound(err) || err == nil && in.Status.ValidUntil == nil {
		in = &v1alpha1.VDISignIn{}
		err = s.Client.Get(ctx, s.key(name), in)
	}
	switch {
	case apierrors.IsNotFound(err):
		s.unknown.Add(name, nil)
		return nil, ErrSignedOut
	case err != nil:
		return nil, fmt.Errorf("reading a sign-in: %w", err)
	case !signin.Holds(in, s.Now()):
		return nil, ErrSignedOut
	}
	return in, nil
}

// End signs somebody out; a sign-in that has ended is no error.
func (s *Store) End(ctx context.Context, name string) error {
	in := &v1alpha1.VDISignIn{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: name}}
	if err := client.IgnoreNotFound(s.Client.Delete(ctx, in)); err != nil {
		return fmt.Errorf("deleting a sign-in: %w", err)
	}
	s.unknown.Add(name, nil)
	return nil
}

// endFor signs somebody out who did not ask for it, and tells the audit why.
func (s *Store) endFor(ctx context.Context, in *v1alpha1.VDISignIn, reason string) error {
	if err := s.End(ctx, in.Name); err != nil {
		return err
	}
	s.Audit.Event(audit.Event{Event: audit.SignOut, User: in.Spec.User, Via: audit.ViaSignIn, Reason: reason})
	return nil
}

// EndOf signs out what the provider says has ended, and says how many that were.
func (s *Store) EndOf(ctx context.Context, l provider.Logout) (ended int, err error) {
	all := &v1alpha1.VDISignInList{}
	if err := s.Client.List(ctx, all, client.InNamespace(s.Namespace)); err != nil {
		return 0, fmt.Errorf("listing sign-ins: %w", err)
	}
	for i := range all.Items {
		in := &all.Items[i]
		if in.Spec.Issuer != s.OIDC.Issuer || l.Subject != "" && in.Spec.Subject != l.Subject || l.Session != "" && in.Spec.ProviderSession != l.Session ||
			in.CreationTimestamp.After(l.Issued.Add(s.OIDC.Leeway.Duration)) {
			continue
		}
		if err := s.endFor(ctx, in, "provider_signed_out"); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

// Live is how many sign-ins hold.
func (s *Store) Live(ctx context.Context) (n int) {
	all := &v1alpha1.VDISignInList{}
	if s.Cached.List(ctx, all, client.InNamespace(s.Namespace)) != nil {
		return 0
	}
	for i := range all.Items {
		if signin.Holds(&all.Items[i], s.Now()) {
			n++
		}
	}
	return n
}
