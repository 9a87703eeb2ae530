package signins

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/signin"
)

const (
	// handoverFor is how long a browser may take from the portal to the session's host.
	handoverFor = time.Minute
	// spentFor is how long a code that was not used is known to have expired.
	spentFor = 5 * time.Minute
	// maxHandovers is what the API takes.
	maxHandovers = 16
)

// Why a code opens nothing.
var (
	ErrUsed    = errors.New("the code was used, or never was")
	ErrExpired = errors.New("the code has expired")
	ErrBrowser = errors.New("the code is another browser's")
	ErrSession = errors.New("the code is for another session")
)

// Target is a session as one browser sees it.
type Target struct {
	BrowserHash     string
	Namespace, Name string
	UID             types.UID
}

// HandOver makes a code that lets the target's browser into its session, once.
func (s *Store) HandOver(ctx context.Context, name string, t Target) (code string, err error) {
	if code, err = newCode(name); err != nil {
		return "", err
	}
	err = s.change(ctx, name, func(in *v1alpha1.VDISignIn) error {
		now := s.Now()
		if !signin.Holds(in, now) {
			return ErrSignedOut
		}
		kept := slices.DeleteFunc(in.Status.Handovers, func(h v1alpha1.Handover) bool { return now.After(h.ExpiresAt.Add(spentFor)) })
		if len(kept) >= maxHandovers {
			kept = kept[len(kept)-maxHandovers+1:]
		}
		kept = append(kept, v1alpha1.Handover{CodeHash: signin.Hash(code), BrowserHash: t.BrowserHash,
			Namespace: t.Namespace, Name: t.Name, UID: t.UID, ExpiresAt: metav1.NewTime(now.Add(handoverFor))})
		in.Status.Handovers = kept
		return nil
	})
	return code, err
}

// Redeem uses a code: whatever comes of it, it opens nothing afterwards.
func (s *Store) Redeem(ctx context.Context, code string, t Target) (*v1alpha1.VDISignIn, error) {
	name, ok := signInOf(code)
	if !ok {
		return nil, ErrUsed
	}
	var found *v1alpha1.VDISignIn
	var fault error
	err := s.change(ctx, name, func(in *v1alpha1.VDISignIn) error {
		hash := signin.Hash(code)
		at := slices.IndexFunc(in.Status.Handovers, func(h v1alpha1.Handover) bool { return same(h.CodeHash, hash) })
		switch {
		case !signin.Holds(in, s.Now()):
			return ErrSignedOut
		case at < 0:
			return ErrUsed
		}
		fault = s.fits(in.Status.Handovers[at], t)
		in.Status.Handovers = slices.Delete(in.Status.Handovers, at, at+1)
		found = in
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, fault
}

// fits says why a hand-over does not let the target in.
func (s *Store) fits(h v1alpha1.Handover, t Target) error {
	switch {
	case !s.Now().Before(h.ExpiresAt.Time):
		return ErrExpired
	case !same(h.BrowserHash, t.BrowserHash):
		return ErrBrowser
	case h.Namespace != t.Namespace || h.Name != t.Name || h.UID != t.UID:
		return ErrSession
	}
	return nil
}

// change writes a sign-in's status as f changes it, once and by one replica: where somebody
// else was faster, f gets what they wrote.
func (s *Store) change(ctx context.Context, name string, f func(*v1alpha1.VDISignIn) error) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		in := &v1alpha1.VDISignIn{}
		if err := s.Client.Get(ctx, s.key(name), in); err != nil {
			return err
		}
		if err := f(in); err != nil {
			return err
		}
		return s.Client.Status().Update(ctx, in)
	})
	if apierrors.IsNotFound(err) {
		return ErrSignedOut
	}
	return err
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
