package session

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	// turnTokenLife is how long a desktop's TURN token is good. A pod reads it once
	// at its start, so it must outlive the longest awake period.
	turnTokenLife = 365 * 24 * time.Hour
	// turnTokenRenewal is how long before its end it is replaced.
	turnTokenRenewal = 30 * 24 * time.Hour
)

// ensureTURNToken keeps a good token in the session's Secret, by which the desktop
// asks the activator for TURN credentials. The shape only names the Secret, so a new
// token restarts nothing.
func (p *pass) ensureTURNToken(ctx context.Context) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: workload.TokenSecretName(p.session.Name), Namespace: p.session.Namespace}}
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return err
	}
	if !missing && !metav1.IsControlledBy(secret, p.session) {
		return apierrors.NewForbidden(corev1.Resource("secrets"), secret.Name,
			fmt.Errorf("a Secret of this name exists and belongs to somebody else; delete it or choose another name for the session"))
	}
	subject, expires, err := p.Signer.Verifier().Verify(token.AudienceTURN, string(secret.Data[workload.TokenKey]), p.now)
	if !missing && err == nil && subject.Opens(p.session) == nil && expires.Sub(p.now) > turnTokenRenewal {
		p.returnAt(expires.Add(-turnTokenRenewal))
		return nil
	}
	signed, err := p.Signer.Sign(token.AudienceTURN, token.For(p.session), p.now, turnTokenLife)
	if err != nil {
		return err
	}
	p.returnAt(p.now.Add(turnTokenLife - turnTokenRenewal))
	base := secret.DeepCopy()
	secret.Labels = workload.Labels(p.session)
	secret.Data = map[string][]byte{workload.TokenKey: []byte(signed)}
	if err := controllerutil.SetControllerReference(p.session, secret, p.Client.Scheme()); err != nil {
		return err
	}
	if missing {
		return p.Client.Create(ctx, secret)
	}
	return p.Client.Patch(ctx, secret, client.MergeFrom(base))
}
