package keys

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/token"
)

const (
	// announcedFor is how long the next key is there before it is used: everybody who checks by it
	// has it then. kubelet brings a change within two minutes.
	announcedFor = 10 * time.Minute
	// formerFor is how long what a former key has signed stays good: as long as the longest token,
	// a link or that of a desktop's pod, which reads it once.
	formerFor = lifecycle.Longest + time.Hour
)

// step is what there is to do about a key's age.
type step int

const (
	stay step = iota
	// begin writes down since when a key is in use that was there before keys were replaced.
	begin
	// announce puts the next key beside the current one.
	announce
	// replace uses it.
	replace
)

// turning replaces a key in its Secret, in two steps.
type turning interface {
	announce(data map[string][]byte, now time.Time) error
	// replace is errNoNext where there is no next key.
	replace(data map[string][]byte, now time.Time) error
}

var errNoNext = errors.New("there is no next key")

// due is what there is to do about a key that is there. A Secret that somebody else has made, or
// Helm for an earlier release, is left alone.
func (k *Keeper) due(key config.Key, secret client.Object) step {
	if !k.rotates || !key.Make || secret.GetLabels()["app.kubernetes.io/managed-by"] != "vdi-operator" {
		return stay
	}
	says, now, every := secret.GetAnnotations(), k.Now(), k.Keys.RotateEvery.Duration
	next, announced := timeOf(says[v1alpha1.AnnotationNextKeySince])
	since, known := timeOf(says[v1alpha1.AnnotationKeySince])
	switch {
	case announced && now.Sub(next) >= announcedFor:
		return replace
	case announced:
		return stay
	case says[v1alpha1.AnnotationRotateKey] != "":
		return announce
	case every == 0:
		return stay
	case !known:
		return begin
	case now.Sub(since) >= every:
		return announce
	}
	return stay
}

func timeOf(text string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, text)
	return at, err == nil
}

// rotate does what is due, and returns the Secret as it is then. Another replica may be sooner.
func (k *Keeper) rotate(ctx context.Context, key config.Key, secret *corev1.Secret, turn turning) (*corev1.Secret, error) {
	do := k.due(key, secret)
	if do == stay {
		return secret, nil
	}
	changed := secret.DeepCopy()
	if changed.Annotations == nil {
		changed.Annotations = map[string]string{}
	}
	if err := k.take(do, changed, turn); err != nil {
		return secret, problem{v1alpha1.ReasonRefused, fmt.Errorf("the Secret %s: its key cannot be replaced: %w", k.name(key), err)}
	}
	err := k.Client.Update(ctx, changed)
	switch {
	case err == nil:
		k.Log.Info("wrote to a key's Secret", "secret", k.name(key).String(), "step", stepNames[do])
		return changed, nil
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return secret, nil
	case apierrors.IsForbidden(err):
		return secret, problem{v1alpha1.ReasonForbidden, fmt.Errorf("the operator may not update the Secret %s to replace its key: "+
			"helm upgrade writes its Role anew; with rbac.create=false give it the right, or set auth.keys.rotateEvery=0s. %w", k.name(key), err)}
	}
	return secret, fmt.Errorf("secret %s: %w", k.name(key), err)
}

var stepNames = map[step]string{begin: "its age counts from now", announce: "the next key is there", replace: "the next key is in use"}

func (k *Keeper) take(do step, secret *corev1.Secret, turn turning) error {
	now := k.Now()
	written, says := now.UTC().Format(time.RFC3339), secret.Annotations
	switch do {
	case begin:
		says[v1alpha1.AnnotationKeySince] = written
		return nil
	case replace:
		err := turn.replace(secret.Data, now)
		if err == nil {
			says[v1alpha1.AnnotationKeySince] = written
			delete(says, v1alpha1.AnnotationNextKeySince)
		}
		if !errors.Is(err, errNoNext) {
			return err
		}
		// Somebody took it away: another one.
	}
	delete(says, v1alpha1.AnnotationRotateKey)
	says[v1alpha1.AnnotationNextKeySince] = written
	return turn.announce(secret.Data, now)
}

// keysetTurn is for a set of package keyset.
type keysetTurn struct{}

func (keysetTurn) announce(data map[string][]byte, _ time.Time) error {
	set, err := keyset.Parse(data[KeysetKey])
	if err == nil {
		data[KeysetKey] = set.Announce().Bytes()
	}
	return err
}

func (keysetTurn) replace(data map[string][]byte, _ time.Time) error {
	set, err := keyset.Parse(data[KeysetKey])
	switch {
	case err != nil:
		return err
	case len(set) == 1:
		return errNoNext
	}
	data[KeysetKey] = set.Turn().Bytes()
	return nil
}

// signingTurn is for the key that signs.
type signingTurn struct{}

func (signingTurn) announce(data map[string][]byte, now time.Time) (err error) {
	data[NextKeyKey], data[NextCertificateKey], err = newSigningKey(now)
	return err
}

func (signingTurn) replace(data map[string][]byte, now time.Time) error {
	next, err := token.NewSigner(data[NextKeyKey])
	if err != nil {
		return errNoNext
	}
	if known, err := token.NewVerifier(data[NextCertificateKey]); err != nil || !known.Same(next.Verifier()) {
		return errNoNext
	}
	current, err := jwt.ParseECPrivateKeyFromPEM(data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return fmt.Errorf("%s: %w", corev1.TLSPrivateKeyKey, err)
	}
	if data[FormerCertificatesKey], err = formers(current, data[FormerCertificatesKey], now); err != nil {
		return fmt.Errorf("%s: %w", FormerCertificatesKey, err)
	}
	data[corev1.TLSPrivateKeyKey], data[corev1.TLSCertKey] = data[NextKeyKey], data[NextCertificateKey]
	delete(data, NextKeyKey)
	delete(data, NextCertificateKey)
	return nil
}

// formers puts a key that goes before those that went, and leaves out which have ended. Its
// certificate is made anew, with its end.
func formers(goes *ecdsa.PrivateKey, before []byte, now time.Time) ([]byte, error) {
	first, err := certify(goes, now, now.Add(formerFor))
	if err != nil {
		return nil, err
	}
	went, err := token.ParseCertificates(before)
	if err != nil {
		return nil, err
	}
	kept := [][]byte{first}
	for _, cert := range went {
		if now.Before(cert.NotAfter) && len(kept) < token.MostBeside-1 { // and the next one
			kept = append(kept, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
		}
	}
	return bytes.Join(kept, nil), nil
}
