package session

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/tracing"
	"github.com/org/vdi-operator/pkg/watched"
	"github.com/org/vdi-operator/pkg/workload"
)

// run makes the desktop run. Its shape comes first, for a desktop keeps what it woke with
// until it sleeps; but whatever keeps a change from being applied, a desktop that is there
// wakes, unless it has to stop for the change.
func (p *pass) run(ctx context.Context) error {
	if err := p.apply(ctx); err != nil || p.stops {
		return err
	}
	return p.scale(ctx)
}

// apply makes what the desktop needs and applies its shape.
func (p *pass) apply(ctx context.Context) error {
	shape, ok, err := p.prepare(ctx)
	if err != nil || !ok {
		return err
	}
	if err := p.takeFromPool(ctx, shape); err != nil {
		return err
	}
	// A pod of a pool has tokens of its own.
	if workload.Claimed(p.session, p.observed.Pod) {
		return p.applied(ctx, shape)
	}
	if err := p.ensurePodTokens(ctx); err != nil {
		return p.refusedOr(err, v1alpha1.ConditionWorkloadApplied, "the Secret with the tokens of the desktop's pod")
	}
	return p.applied(ctx, shape)
}

// takeFromPool has a desktop that wakes from zero take one that waits for it.
func (p *pass) takeFromPool(ctx context.Context, shape workload.Shape) error {
	if p.Pool == nil || !p.wakes() || p.observed.Pod != nil {
		return nil
	}
	pod, err := p.Pool.Take(ctx, p.session, p.template, shape)
	if err != nil || pod == nil {
		return err
	}
	p.fromPool, p.session.Status.PodName = true, pod.Name
	p.observed = workload.Observation{Exists: true, Pod: pod, Pods: p.observed.Pods + 1}
	return nil
}

// applied applies the desktop's shape.
func (p *pass) applied(ctx context.Context, shape workload.Shape) error {
	delay, err := p.Workload.Apply(ctx, p.session, shape, p.live)
	if err != nil {
		return p.refusedOr(err, v1alpha1.ConditionWorkloadApplied, "the desktop's workload")
	}
	p.observed.Exists, p.stops = true, delay.Stops
	p.condition(v1alpha1.ConditionWorkloadApplied, true, v1alpha1.ReasonApplied, "")
	if delay.None() {
		p.fits(shape)
	} else {
		p.condition(v1alpha1.ConditionUpToDate, false, delay.Reason, delay.Message)
	}
	if delay.Again > 0 {
		p.returnAt(p.now.Add(delay.Again))
	}
	return nil
}

// prepare makes the desktop's shape and holds its home. What a person must mend ends in a
// condition, and false; what passes by itself is returned.
func (p *pass) prepare(ctx context.Context) (workload.Shape, bool, error) {
	if p.template == nil {
		return workload.Shape{}, false, nil
	}
	shape, err := workload.Build(p.Config, p.template, p.session, p.policy.StartupTimeout.OrZero())
	if err != nil {
		// A change of template or session is what mends it, and brings another pass.
		p.block(v1alpha1.ConditionWorkloadApplied, v1alpha1.ReasonInvalidTemplate, err.Error())
		return shape, false, nil
	}
	held, err := p.holdHome(ctx)
	return shape, held, err
}

// fits says that the desktop's next start, or what runs, is of the wanted shape.
func (p *pass) fits(shape workload.Shape) {
	p.condition(v1alpha1.ConditionUpToDate, true, v1alpha1.ReasonUpToDate, "")
	p.session.Status.Streaming, p.session.Status.Access = shape.Streaming.DeepCopy(), shape.Access.DeepCopy()
}

// scale makes the desktop run at once, for somebody may be waiting for it, and stop
// only once its sleep is recorded: a visit that was reported meanwhile makes the record
// fail. A session that was never reconciled is left alone.
func (p *pass) scale(ctx context.Context) error {
	if !p.decision.Awake && !lifecycle.Asleep(p.before) {
		return nil
	}
	scaled, err := p.Workload.Scale(ctx, p.session, p.decision.Awake, p.live)
	if errors.Is(err, workload.ErrFinishing) {
		p.returnAt(p.now.Add(workload.FinishingRetry))
		return p.find(ctx) // now that it is awake, what is there ends
	}
	if scaled && p.decision.Awake {
		tracing.RecordWake(ctx, p.Tracer, p.session, "scale", p.now, p.Now())
	}
	return err
}

// refusedOr makes a condition of an error that is the API server's refusal, and
// returns any other.
func (p *pass) refusedOr(err error, condition, what string) error {
	var status apierrors.APIStatus
	switch {
	case watched.EndingError(err):
		return err
	case meta.IsNoMatchError(err):
		p.refuse(condition, v1alpha1.ReasonKnativeMissing, "Knative Serving is not installed in this cluster: "+err.Error())
	case apierrors.IsAlreadyExists(err):
		p.refuse(condition, v1alpha1.ReasonNameTaken, fmt.Sprintf("Something that is not this session's has the name of %s: %s. Delete it, "+
			"or choose another name for the session.", what, err))
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		text := err.Error()
		if errors.As(err, &status) {
			text = status.Status().Message
		}
		p.refuse(condition, v1alpha1.ReasonRefused, fmt.Sprintf("The API server refuses %s: %s", what, text))
	default:
		return err
	}
	return nil
}

// blocked is why the wanted shape cannot be applied: a condition that is false.
type blocked struct{ condition, reason, message string }

// block records that the wanted shape cannot be applied.
func (p *pass) block(condition, reason, message string) {
	p.condition(condition, false, reason, message)
	p.blocked = blocked{condition, reason, message}
}

// refuse blocks, and tries again on a change, or slowly.
func (p *pass) refuse(condition, reason, message string) {
	p.block(condition, reason, message)
	p.returnAt(p.now.Add(refusalRetry))
}
