package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var (
	// ErrUsedUp says that a share's link was opened as often as it may be.
	ErrUsedUp = errors.New("the link was opened as often as it may be")
	// ErrNoShare says that the session has no such share any more.
	ErrNoShare = errors.New("the share has ended")
)

// shareAttempts is how often a use is counted anew when the session has changed meanwhile.
const shareAttempts = 8

// UseShare counts that the link of a share was opened, under optimistic locking: however many
// replicas count at once, the link is opened no more often than it may be.
func (w *Writer) UseShare(ctx context.Context, seen *v1alpha1.VDISession, name string) error {
	key := client.ObjectKeyFromObject(seen)
	now := seen
	for range shareAttempts {
		next, err := used(now, name, time.Now())
		if err != nil {
			return err
		}
		_, err = w.patch(ctx, key, map[string]any{"shares": next}, now.ResourceVersion)
		if err == nil || errors.Is(err, ErrGone) {
			return err
		}
		if !errors.Is(err, ErrChanged) {
			return fmt.Errorf("use of share %s of %s: %w", name, key, err)
		}
		if now, err = w.read(ctx, seen); err != nil {
			return err
		}
	}
	return fmt.Errorf("use of share %s of %s: %w", name, key, ErrChanged)
}

// read is the session as the API server has it: what was watched may be behind.
func (w *Writer) read(ctx context.Context, seen *v1alpha1.VDISession) (*v1alpha1.VDISession, error) {
	now := &v1alpha1.VDISession{}
	err := w.Client.Get(ctx, client.ObjectKeyFromObject(seen), now)
	switch {
	case apierrors.IsNotFound(err), err == nil && now.UID != seen.UID:
		return nil, ErrGone
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", client.ObjectKeyFromObject(seen), err)
	}
	return now, nil
}

// used are a session's counts with one more use, without those of shares that are gone.
func used(s *v1alpha1.VDISession, name string, now time.Time) (next []v1alpha1.ShareUse, err error) {
	at := slices.IndexFunc(s.Spec.Shares, func(share v1alpha1.Share) bool { return share.Name == name && share.Link != nil })
	if at < 0 {
		return nil, ErrNoShare
	}
	one := v1alpha1.ShareUse{Name: name}
	if s.Status.Activity != nil {
		for _, use := range s.Status.Activity.Shares {
			switch {
			case use.Name == name:
				one = use
			case slices.ContainsFunc(s.Spec.Shares, func(share v1alpha1.Share) bool { return share.Name == use.Name }):
				next = append(next, use)
			}
		}
	}
	if most := s.Spec.Shares[at].Link.MaxUses; most > 0 && one.Uses >= most {
		return nil, ErrUsedUp
	}
	one.Uses++
	one.LastUsedTime = &metav1.Time{Time: now}
	return append(next, one), nil
}
