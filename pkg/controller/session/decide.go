package session

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/gpuuse"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/tracing"
	"github.com/org/vdi-operator/pkg/workload"
)

// find reads what exists of the desktop, and what its start waits for.
func (p *pass) find(ctx context.Context) (err error) {
	if p.observed, err = p.Workload.Observe(ctx, p.session); err != nil {
		return err
	}
	var changes time.Time
	p.observed.Progress, changes = p.observed.Progress.At(p.now)
	p.returnAt(changes)
	return p.explain(ctx)
}

// observe finds what exists of the desktop and records what is new.
func (p *pass) observe(ctx context.Context) error {
	if err := p.find(ctx); err != nil {
		return err
	}
	st := &p.session.Status
	if lifecycle.Unknown(p.session) && p.observed.Pod != nil {
		// A desktop runs and its status was lost: unknown means awake, from now on.
		st.StartTime = p.micro()
	}
	p.forgetDoze()
	if lifecycle.Awake(p.session) {
		if lifecycle.Started(p.session) && p.lost() {
			st.ReadyTime, st.LostTime = nil, p.micro()
		}
		st.PodName = ""
		if p.observed.Pod != nil {
			st.PodName = p.observed.Pod.Name
		}
		if !lifecycle.Started(p.session) && p.reachable() {
			st.ReadyTime = p.micro()
			from, to := lifecycle.StartBegan(p.session), p.now
			took := to.Sub(from)
			st.LastStartDuration = &metav1.Duration{Duration: took}
			p.happened = append(p.happened, func() {
				p.Metrics.Started(took)
				tracing.RecordWake(context.Background(), p.Tracer, p.session, "pod_ready", from, to)
			})
		}
	}
	return nil
}

// lost is whether the pod that the desktop was reachable in is gone.
func (p *pass) lost() bool {
	had := p.before.Status.PodName
	return had != "" && (p.observed.Pod == nil || p.observed.Pod.Name != had)
}

// reachable is whether visitors get to the desktop.
func (p *pass) reachable() bool {
	var reached time.Time
	if a := p.session.Status.Activity; a != nil {
		reached = lifecycle.Credible(a.LastReachedTime, p.now)
	}
	if reached.IsZero() && lifecycle.Started(p.session) {
		return p.observed.Ready() // it woke before activators recorded that
	}
	return p.observed.Reachable(reached)
}

// decide asks whether the desktop is to be awake and records a change.
func (p *pass) decide() {
	p.decision = lifecycle.DecideSession(p.now, p.policy, p.session)
	switch awake := lifecycle.Awake(p.session); {
	case p.decision.Awake && !awake:
		p.wake()
		// Now that it is awake its clocks run.
		p.decision = lifecycle.DecideSession(p.now, p.policy, p.session)
	case !p.decision.Awake && awake:
		p.sleep()
	case p.decision.Reason == lifecycle.ReasonSleepRequested:
		p.recordSleep() // it sleeps already, and from now on only a person wakes it
	}
	p.returnAt(p.decision.Until)
}

func (p *pass) wake() {
	st := &p.session.Status
	st.StartTime, st.ReadyTime, st.LostTime, st.PodName, st.Waiting = p.micro(), nil, nil, "", nil
	p.happened = append(p.happened, func() {
		from := metrics.WokeFromZero
		if p.fromPool {
			from = metrics.WokeFromPool
		}
		p.Metrics.Woke(from)
		p.Audit.Event(audit.Event{Event: audit.Wake, Via: audit.ViaOperator, Reason: string(p.decision.Reason)}.Of(p.session))
		tracing.RecordWake(context.Background(), p.Tracer, p.session, "decide", p.now, p.Now())
		p.event(corev1.EventTypeNormal, v1alpha1.EventAwake, "Wake", "The desktop wakes: %s", p.decision.Reason)
	})
}

func (p *pass) sleep() {
	st, reason := &p.session.Status, p.decision.Reason
	message, why := "", string(reason)
	switch reason {
	case lifecycle.ReasonStartup:
		message = p.startFailed()
	case lifecycle.ReasonGaveWay:
		message = "It dozed, and gave way to " + st.Doze.GivesWayTo + "."
		why += ", to " + st.Doze.GivesWayTo
	}
	p.recordSleep()
	p.recordGPUUse()
	st.StartTime, st.ReadyTime, st.LostTime, st.PodName, st.Shortened = nil, nil, nil, "", nil
	p.condition(v1alpha1.ConditionAwake, false, string(reason), message)
	p.happened = append(p.happened, func() {
		p.Metrics.Slept(string(reason))
		p.Audit.Event(audit.Event{Event: audit.Sleep, Via: audit.ViaOperator, Reason: string(reason)}.Of(p.session))
		if reason == lifecycle.ReasonStartup {
			p.event(corev1.EventTypeWarning, v1alpha1.EventStartupFailed, "Sleep", "%s", message)
			return
		}
		p.event(corev1.EventTypeNormal, v1alpha1.ReasonAsleep, "Sleep", "The desktop goes to sleep: %s", why)
	})
}

func (p *pass) recordSleep() {
	p.session.Status.SleepTime, p.session.Status.SleepReason = lifecycle.SleepTime(p.now, p.session), string(p.decision.Reason)
}

// recordGPUUse adds the wake that ends to the record of GPUs, by the template as it is now; without
// one nobody knows how many it had.
func (p *pass) recordGPUUse() {
	st := &p.session.Status
	if st.StartTime == nil || st.SleepTime == nil || p.template == nil {
		return
	}
	_, gpus := workload.GPUs(p.template, p.session)
	st.GPUUse = gpuuse.Add(st.GPUUse, st.StartTime.Time, st.SleepTime.Time, gpus)
}

// startFailed says why a desktop did not start, and records what was last seen of it.
func (p *pass) startFailed() string {
	progress, seen := p.progress(), p.before.Status.Message
	if progress.Reason != v1alpha1.ReasonWaking || seen == "" {
		p.waitFor(progress)
		seen = progress.Message
	}
	if !strings.HasSuffix(seen, ".") { // a container runtime's words end as they like
		seen += "."
	}
	began := "did not start"
	if p.before.Status.LostTime != nil {
		began = "lost its pod and did not start again"
	}
	return fmt.Sprintf("The desktop %s within %s. Last seen: %s Visit it to try again.",
		began, duration.HumanDuration(p.policy.StartupTimeout.OrZero()), seen)
}

func (p *pass) micro() *metav1.MicroTime { return &metav1.MicroTime{Time: p.now} }
