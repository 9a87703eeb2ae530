package session

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// How many sleeping desktops lose what they have no use for, at once and in a second: a
// changed template makes that thousands at a time, and none of them is urgent.
const (
	TidiedAtOnce    = 20
	TidiedPerSecond = 5
)

// tidyRetry is when a sleeping desktop whose turn has not come tries again, on average.
const tidyRetry = time.Minute

// rest stops the desktop and leaves it alone: what it runs on is compared with the template
// at its wake, and goes once it is stale or was not needed for long.
func (p *pass) rest(ctx context.Context) error {
	if err := p.scale(ctx); err != nil {
		return err
	}
	shape, ok, err := p.prepare(ctx)
	if err != nil || !ok {
		return err
	}
	until := lifecycle.Slept(p.session).Add(p.Defaults.Now().KeepWorkloadFor.Duration)
	rested, err := p.Workload.Rest(ctx, p.session, shape, p.now.Before(until), func() bool { return p.mayTidy(ctx) })
	if err != nil {
		return p.refusedOr(err, v1alpha1.ConditionWorkloadApplied, "the session's name inside the cluster")
	}
	p.condition(v1alpha1.ConditionWorkloadApplied, true, v1alpha1.ReasonMadeAtWake, "What the desktop runs on is made when it wakes.")
	if p.observed.Pods == 0 {
		p.fits(shape)
	}
	switch {
	case rested.Again > 0:
		p.returnAt(p.now.Add(rested.Again))
	case rested.Left && rested.Fits:
		p.returnAt(until)
	case rested.Left:
		p.returnAt(p.now.Add(tidyRetry/2 + rand.N(tidyRetry)))
	}
	if !rested.Left && p.observed.Pods == 0 {
		if err := dropPodTokens(ctx, p.Client, p.session); err != nil {
			return err
		}
	}
	return p.letGoUnusedHome(ctx, rested.Stopped && (!rested.Left || rested.Fits))
}

// mayTidy says that what is not needed may go now: nothing that still ends belongs to it, and
// it is this desktop's turn.
func (p *pass) mayTidy(ctx context.Context) bool {
	if p.observed.Pods > 0 || !lifecycle.Asleep(p.before) || p.Tidying != nil && !p.Tidying.Allow() {
		return false
	}
	live, err := p.live(ctx)
	return err == nil && !live
}
