// Package keys makes an installation's keys, each a Secret in its namespace, and follows them:
// the key that signs links and pods' tokens, what activators share with the TURN server, and
// those with which activators sign visitors' cookies and the portal encrypts what it keeps.
//
// It promises that a key is made once, where there is none and nobody else was named to make
// it. One that it has made it replaces by its age, so that what the former one has signed stays
// good; it writes nothing else to one that is there, and nothing at all to one that somebody
// else has made: not by another replica, an upgrade or what renders the chart anew. A Secret that
// somebody changes is used as it is then; one that somebody deletes is made anew with another key.
// At rest it reads none but the one that signs links.
package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/token"
)

const (
	// retryEvery is the pause between two attempts at the start, which waits for a key.
	retryEvery = time.Second
	// followEvery is how often the Secrets are looked at from then on: sooner than kubelet
	// brings a change to the activators.
	followEvery = 10 * time.Second
)

// Conditions takes the condition v1alpha1.ConditionKeysCurrent.
type Conditions interface {
	Set(conditionType string, status metav1.ConditionStatus, reason, message string)
}

// Keeper keeps one installation's keys.
type Keeper struct {
	// Client has no cache.
	Client       client.Client
	Installation config.Installation
	Keys         config.Keys
	Log          logr.Logger
	Now          func() time.Time

	signer token.Signer
	// signs names the key that the signer has; empty before the first.
	signs string
	// rotates says that the program has begun: what keeps a key from being replaced keeps no
	// program from its start.
	rotates bool
}

// Await makes the keys that are missing, and returns what signs with the one of links as soon
// as there is one, or ctx's error. Meanwhile waiting is called with what stands in the way.
func (k *Keeper) Await(ctx context.Context, waiting func(error)) (*token.Signer, error) {
	err := wait.PollUntilContextCancel(ctx, retryEvery, true, func(ctx context.Context) (bool, error) {
		_, err := k.look(ctx)
		if err != nil {
			waiting(err)
		}
		return err == nil, nil
	})
	k.rotates = err == nil
	return &k.signer, err
}

// Follow goes on until ctx ends. It calls changed after the key that signs is another one, and the
// former one is good for nothing.
func (k *Keeper) Follow(ctx context.Context, conditions Conditions, changed func()) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		another, err := k.look(ctx)
		if ctx.Err() != nil {
			return
		}
		if another {
			k.Log.Info("the key that signs links has changed; links made with the former one open nothing", "secret", k.Keys.Signing.Secret)
			changed()
		}
		status, reason, message := verdict(err)
		conditions.Set(v1alpha1.ConditionKeysCurrent, status, reason, message)
	}, followEvery)
}

func verdict(err error) (metav1.ConditionStatus, string, string) {
	if err == nil {
		return metav1.ConditionTrue, v1alpha1.ReasonCurrent, "The installation's keys are in use as their Secrets have them."
	}
	var p problem
	if errors.As(err, &p) {
		return metav1.ConditionFalse, p.reason, fmt.Sprintf("The key before stays in use: %v", err)
	}
	return metav1.ConditionUnknown, v1alpha1.ReasonUnreadable, err.Error()
}

// problem is what an administrator has to mend.
type problem struct {
	reason string
	error
}

// look makes what is missing, and uses the key as it is now.
func (k *Keeper) look(ctx context.Context) (changed bool, err error) {
	changed, err = k.lookAtSigning(ctx)
	return changed, errors.Join(err,
		k.lookAtShared(ctx, k.Keys.TURN, k.newTURNSecret, nil),
		k.lookAtShared(ctx, k.Keys.Visits, func() *corev1.Secret { return k.newKeyset(k.Keys.Visits, "activator") }, keysetTurn{}),
		k.lookAtShared(ctx, k.Keys.Portal, func() *corev1.Secret { return k.newKeyset(k.Keys.Portal, "portal") }, keysetTurn{}))
}

// lookAtShared makes one that the operator itself has no use for, and so does not read but to
// replace it by turn; nil replaces none.
func (k *Keeper) lookAtShared(ctx context.Context, key config.Key, secret func() *corev1.Secret, turn turning) error {
	if !key.Make {
		return nil
	}
	there := &metav1.PartialObjectMetadata{}
	there.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := k.Client.Get(ctx, k.name(key), there)
	if apierrors.IsNotFound(err) {
		return k.explained(key, k.create(ctx, secret()))
	}
	if err != nil || turn == nil || k.due(key, there) == stay {
		return k.explained(key, err)
	}
	whole := &corev1.Secret{}
	if err := k.Client.Get(ctx, k.name(key), whole); err != nil {
		return k.explained(key, client.IgnoreNotFound(err))
	}
	_, err = k.rotate(ctx, key, whole, turn)
	return err
}

func (k *Keeper) lookAtSigning(ctx context.Context) (changed bool, err error) {
	secret := &corev1.Secret{}
	err = k.Client.Get(ctx, k.name(k.Keys.Signing), secret)
	if apierrors.IsNotFound(err) && k.Keys.Signing.Make {
		if secret, err = k.newSigningSecret(); err != nil {
			return false, err
		}
		if err = k.create(ctx, secret); apierrors.IsAlreadyExists(err) {
			err = k.Client.Get(ctx, k.name(k.Keys.Signing), secret)
		}
	}
	if err != nil {
		return false, k.explained(k.Keys.Signing, err)
	}
	secret, unwritten := k.rotate(ctx, k.Keys.Signing, secret, signingTurn{})
	if changed, err = k.use(secret); err != nil {
		return false, problem{v1alpha1.ReasonRefused, fmt.Errorf("the Secret %s: %w. Correct it", k.name(k.Keys.Signing), err)}
	}
	return changed, unwritten
}

// use takes a key whose certificate is of it: activators check links by that. It says whether
// what the one before has signed is good for nothing now.
func (k *Keeper) use(secret *corev1.Secret) (changed bool, err error) {
	signer, err := token.NewSigner(secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return false, fmt.Errorf("%s: %w", corev1.TLSPrivateKeyKey, err)
	}
	verifier, err := token.NewVerifier(secret.Data[corev1.TLSCertKey])
	if err != nil {
		return false, fmt.Errorf("%s: %w", corev1.TLSCertKey, err)
	}
	if !verifier.Same(signer.Verifier()) {
		return false, fmt.Errorf("%s is not a certificate of the key %s", corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	}
	beside := [][]byte{secret.Data[NextCertificateKey], secret.Data[FormerCertificatesKey]}
	if _, err := verifier.Use(secret.Data[corev1.TLSCertKey], beside...); err != nil {
		return false, fmt.Errorf("%s or %s: %w", NextCertificateKey, FormerCertificatesKey, err)
	}
	if changed, err = k.signer.Use(secret.Data[corev1.TLSPrivateKeyKey]); err != nil || !changed {
		return false, err
	}
	before := k.signs
	k.signs = verifier.Key()
	if before != "" && verifier.Takes(before, k.Now()) {
		k.Log.Info("the key that signs links has changed; what the former one has signed stays good", "secret", k.Keys.Signing.Secret)
		return false, nil
	}
	return true, nil
}

// create makes a Secret. Another replica may have been sooner.
func (k *Keeper) create(ctx context.Context, secret *corev1.Secret) error {
	err := k.Client.Create(ctx, secret)
	if err == nil {
		k.Log.Info("made a key of the installation's", "secret", client.ObjectKeyFromObject(secret).String())
	}
	return err
}

// explained says what to do about an error of the API server's with a Secret.
func (k *Keeper) explained(key config.Key, err error) error {
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		return nil
	case apierrors.IsNotFound(err):
		return problem{v1alpha1.ReasonMissing, fmt.Errorf("there is no Secret %s, which auth.signingKey.existingSecret names: create it, or "+
			"leave that value empty and the operator makes a key of its own", k.name(key))}
	case apierrors.IsForbidden(err):
		return problem{v1alpha1.ReasonForbidden, fmt.Errorf("the operator may not read or create the Secret %s: helm upgrade writes its Role "+
			"anew; with rbac.create=false give it the rights that helm template --set rbac.create=true shows. %w", k.name(key), err)}
	}
	return fmt.Errorf("secret %s: %w", k.name(key), err)
}

func (k *Keeper) name(key config.Key) client.ObjectKey {
	return client.ObjectKey{Namespace: k.Installation.Namespace, Name: key.Secret}
}
