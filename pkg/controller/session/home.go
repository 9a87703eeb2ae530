package session

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

// holdHome takes the home for this session, or returns false with the reason in the
// condition HomeReady. Who holds it is an annotation on the claim, written under the
// API server's lock, so that two sessions never write to one home at once.
func (p *pass) holdHome(ctx context.Context) (bool, error) {
	if !workload.HomeEnabled(p.template, p.session) {
		p.condition(v1alpha1.ConditionHomeReady, true, v1alpha1.ReasonNoHome, "This session has no home: nothing outlives its sleep.")
		return true, nil
	}
	wanted := workload.HomeClaim(p.template, p.session)
	claim, err := p.home(ctx, wanted)
	switch {
	case err != nil:
		return false, p.refusedOr(err, v1alpha1.ConditionHomeReady, "the volume claim of the home")
	case !workload.IsHome(claim, p.session):
		p.refuse(v1alpha1.ConditionHomeReady, v1alpha1.ReasonNameTaken, fmt.Sprintf("A PersistentVolumeClaim %q exists and is not a home of this "+
			"product's, though it has the name of user %q's home for template %q. Delete it if nobody needs it, or set spec.persistence.enabled "+
			"to false in this session.", claim.Name, p.session.Spec.User, p.session.Spec.Template))
		return false, nil
	case !claim.DeletionTimestamp.IsZero():
		p.refuse(v1alpha1.ConditionHomeReady, v1alpha1.ReasonHomeTerminating,
			fmt.Sprintf("The home (PersistentVolumeClaim %q) is being deleted; a new one is made when it is gone.", claim.Name))
		return false, nil
	}
	if held, err := p.takeHome(ctx, claim); err != nil || !held {
		return false, err
	}
	if workload.Outdated(claim, wanted) && !scheduled(p.observed.Pod) {
		return false, p.remakeHome(ctx, claim)
	}
	p.homeHeld(claim, sizeNote(claim, wanted))
	return true, nil
}

// home is the claim, which is made where there is none. The cache may be behind another
// session's pass of this moment, and has homes only.
func (p *pass) home(ctx context.Context, wanted *corev1.PersistentVolumeClaim) (*corev1.PersistentVolumeClaim, error) {
	claim, key := &corev1.PersistentVolumeClaim{}, client.ObjectKeyFromObject(wanted)
	err := p.Client.Get(ctx, key, claim)
	if !apierrors.IsNotFound(err) {
		return claim, err
	}
	claim = wanted.DeepCopy()
	if err = p.Client.Create(ctx, claim); p.behind(ctx, err, claim, key) {
		return claim, nil
	}
	return claim, err
}

// takeHome makes this session the home's holder, unless another one is.
func (p *pass) takeHome(ctx context.Context, claim *corev1.PersistentVolumeClaim) (bool, error) {
	holder := claim.Annotations[v1alpha1.AnnotationHeldBy]
	if holder == p.session.Name {
		return true, nil
	}
	if holder != "" {
		there, err := p.sessionExists(ctx, holder)
		if err != nil {
			return false, err
		}
		if there {
			p.homeInUse(holder)
			return false, nil
		}
	}
	return true, setHolder(ctx, p.Client, claim, p.session)
}

// remakeHome deletes a home that waits in vain for a volume of the StorageClass which its
// template named once. As it was read: a volume may have come at this moment.
func (p *pass) remakeHome(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	err := p.Client.Delete(ctx, claim, client.Preconditions{UID: &claim.UID, ResourceVersion: &claim.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	p.refuse(v1alpha1.ConditionHomeReady, v1alpha1.ReasonHomeTerminating, fmt.Sprintf("The home (PersistentVolumeClaim %q) never had a volume "+
		"and is made anew, of the StorageClass that template %q names now.", claim.Name, p.session.Spec.Template))
	return nil
}

// homeHeld says that the session has its home, and where it is so, that the home stays
// though somebody asked to delete it with the session.
func (p *pass) homeHeld(claim *corev1.PersistentVolumeClaim, note string) {
	stays := workload.StaysThough(claim, p.template, p.session)
	if stays == "" {
		p.condition(v1alpha1.ConditionHomeReady, true, v1alpha1.ReasonHomeHeld, note)
		return
	}
	c := meta.FindStatusCondition(p.session.Status.Conditions, v1alpha1.ConditionHomeReady)
	if c == nil || c.Reason != v1alpha1.ReasonHomeRetained {
		p.happened = append(p.happened, func() { p.event(corev1.EventTypeWarning, v1alpha1.ReasonHomeRetained, "HoldHome", "%s", stays) })
	}
	p.condition(v1alpha1.ConditionHomeReady, true, v1alpha1.ReasonHomeRetained, strings.TrimSpace(stays+" "+note))
}

func (p *pass) homeInUse(holder string) {
	message := fmt.Sprintf("The home of user %q for template %q is in use by session %q. Delete that session, or set "+
		"spec.persistence.enabled to false in this one.",
		p.session.Spec.User, p.session.Spec.Template, holder)
	if !p.conditionIs(v1alpha1.ConditionHomeReady, v1alpha1.ReasonHomeInUse) {
		p.happened = append(p.happened, func() { p.event(corev1.EventTypeWarning, v1alpha1.ReasonHomeInUse, "HoldHome", "%s", message) })
	}
	p.block(v1alpha1.ConditionHomeReady, v1alpha1.ReasonHomeInUse, message)
}

func sizeNote(claim, wanted *corev1.PersistentVolumeClaim) string {
	has, asked := claim.Spec.Resources.Requests.Storage(), wanted.Spec.Resources.Requests.Storage()
	if has.Cmp(*asked) == 0 {
		return ""
	}
	return fmt.Sprintf("The home exists with %s and keeps its size; %s applies to new homes only.", has, asked)
}

// sessionExists asks the API server of a session that the cache does not have: it may be a new
// one, whose home would be taken from it.
func (p *pass) sessionExists(ctx context.Context, name string) (bool, error) {
	key := types.NamespacedName{Namespace: p.session.Namespace, Name: name}
	err := p.Client.Get(ctx, key, &v1alpha1.VDISession{})
	if apierrors.IsNotFound(err) && p.API != nil {
		err = p.API.Get(ctx, key, &v1alpha1.VDISession{})
	}
	return err == nil, client.IgnoreNotFound(err)
}

// letGoUnusedHome releases the home of a session whose persistence was switched off,
// once no pod can have it mounted.
func (p *pass) letGoUnusedHome(ctx context.Context, unused bool) error {
	if !unused || p.observed.Pods > 0 || workload.HomeEnabled(p.template, p.session) {
		return nil
	}
	return releaseHome(ctx, p.Client, p.session, v1alpha1.ReclaimRetain)
}

// releaseHome ends a session's hold on its home, or deletes the home if it was created
// for this session. A home that somebody else holds is left alone.
func releaseHome(ctx context.Context, c client.Client, s *v1alpha1.VDISession, policy v1alpha1.ReclaimPolicy) error {
	claim := &corev1.PersistentVolumeClaim{}
	key := types.NamespacedName{Namespace: s.Namespace, Name: workload.HomeName(s.Spec.User, s.Spec.Template)}
	if err := c.Get(ctx, key, claim); err != nil {
		return client.IgnoreNotFound(err)
	}
	if claim.Annotations[v1alpha1.AnnotationHeldBy] != s.Name || !claim.DeletionTimestamp.IsZero() {
		return nil
	}
	if policy == v1alpha1.ReclaimDelete && workload.GoesWith(claim, s) {
		// As it was read: somebody may take the home at this moment.
		return client.IgnoreNotFound(c.Delete(ctx, claim, client.Preconditions{UID: &claim.UID, ResourceVersion: &claim.ResourceVersion}))
	}
	return client.IgnoreNotFound(setHolder(ctx, c, claim, nil))
}

// setHolder writes who holds a home; it fails where somebody else wrote first. A home
// that a second session uses holds more than what the first brought, and goes with neither.
func setHolder(ctx context.Context, c client.Client, claim *corev1.PersistentVolumeClaim, s *v1alpha1.VDISession) error {
	changed := claim.DeepCopy()
	delete(changed.Annotations, v1alpha1.AnnotationHeldBy)
	if s != nil {
		if changed.Annotations == nil {
			changed.Annotations = map[string]string{}
		}
		if !workload.GoesWith(claim, s) {
			delete(changed.Annotations, v1alpha1.AnnotationCreatedBy)
		}
		changed.Annotations[v1alpha1.AnnotationHeldBy] = s.Name
	}
	return c.Patch(ctx, changed, client.MergeFromWithOptions(claim, client.MergeFromWithOptimisticLock{}))
}
