package session

import (
	"cmp"
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	// podTokenLife is how long a pod's token is good. A pod reads it once at its start,
	// so it must outlive the longest awake period.
	podTokenLife = 365 * 24 * time.Hour
	// podTokenRenewal is how long before its end it is replaced.
	podTokenRenewal = 30 * 24 * time.Hour
)

// podTokens are the tokens in a session's Secret, by key. Each container of the pod
// is given one of them.
var podTokens = map[string]token.Audience{
	workload.TokenKey:      token.AudienceTURN,
	workload.AgentTokenKey: token.AudienceAgent,
}

// ensurePodTokens keeps good tokens in the session's Secret: by one the desktop asks
// the activator for TURN credentials, by the other its agent announces the pod. The
// shape only names the Secret, so a new token restarts nothing.
func (p *pass) ensurePodTokens(ctx context.Context) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: workload.TokenSecretName(p.session.Name), Namespace: p.session.Namespace}}
	_, err := controllerutil.CreateOrPatch(ctx, p.Client, secret, func() error {
		if err := p.makeWay(ctx, secret); err != nil {
			return err
		}
		data := make(map[string][]byte, len(podTokens))
		for key, audience := range podTokens {
			var err error
			if data[key], err = p.podToken(audience, secret.Data[key]); err != nil {
				return err
			}
		}
		secret.Labels, secret.Data = workload.Labels(p.session), data
		return controllerutil.SetControllerReference(p.session, secret, p.Client.Scheme())
	})
	if p.behind(ctx, err, secret, client.ObjectKeyFromObject(secret)) && metav1.IsControlledBy(secret, p.session) {
		return nil
	}
	return err
}

// makeWay refuses a Secret that is not the session's. One of an earlier session of this name is
// deleted, and made anew in a moment: the garbage collector may be about to delete it.
func (p *pass) makeWay(ctx context.Context, secret *corev1.Secret) error {
	if secret.ResourceVersion == "" || metav1.IsControlledBy(secret, p.session) {
		return nil
	}
	left, err := workload.LeftByDeleted(ctx, p.API, p.session, secret)
	if err != nil {
		return err
	}
	if left {
		return cmp.Or(workload.RemoveLeft(ctx, p.Client, secret.DeepCopy()),
			error(apierrors.NewConflict(corev1.Resource("secrets"), secret.Name, errors.New("it is of a session that was deleted, and goes"))))
	}
	return apierrors.NewForbidden(corev1.Resource("secrets"), secret.Name,
		errors.New("a Secret of this name exists and belongs to somebody else; delete it or choose another name for the session"))
}

// behind reads an object by the API server itself that could not be created because it
// exists: the cache may only be behind a pass of a moment ago.
func (p *pass) behind(ctx context.Context, err error, into client.Object, key client.ObjectKey) bool {
	return apierrors.IsAlreadyExists(err) && p.API != nil && p.API.Get(ctx, key, into) == nil
}

// RemovePodTokens deletes the Secret of a session without a pod to read it.
func RemovePodTokens(ctx context.Context, c client.Client, s *v1alpha1.VDISession) error {
	secret := &corev1.Secret{}
	err := c.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: workload.TokenSecretName(s.Name)}, secret)
	if err != nil || !metav1.IsControlledBy(secret, s) {
		return client.IgnoreNotFound(err)
	}
	return client.IgnoreNotFound(c.Delete(ctx, secret, client.Preconditions{UID: &secret.UID}))
}

// dropPodTokens does so where it may: with rights of an earlier release the Secret stays, as it did
// then.
func dropPodTokens(ctx context.Context, c client.Client, s *v1alpha1.VDISession) error {
	err := RemovePodTokens(ctx, c, s)
	if apierrors.IsForbidden(err) {
		return nil
	}
	return err
}

// podToken returns the token that is there while it is good, else a new one, and
// comes back when it has to be replaced.
func (p *pass) podToken(audience token.Audience, have []byte) ([]byte, error) {
	subject, expires, err := p.Signer.Verifier().Verify(audience, string(have), p.now)
	if err == nil && subject.Opens(p.session) == nil && expires.Sub(p.now) > podTokenRenewal {
		p.returnAt(expires.Add(-podTokenRenewal))
		return have, nil
	}
	signed, err := p.Signer.Sign(audience, token.For(p.session), p.now, podTokenLife)
	p.returnAt(p.now.Add(podTokenLife - podTokenRenewal))
	return []byte(signed), err
}
