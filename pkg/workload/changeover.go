package workload

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// pollEvery is the pause between two reads of something whose end brings no event.
const pollEvery = time.Second

// former is the kind of workload that an installation ran its desktops on before.
type former interface {
	// left says in words what there is of a session's former workload; empty if
	// nothing. It takes no call to the API server for each session.
	left(ctx context.Context, s *v1alpha1.VDISession) (string, error)
	// Delete is Workload's.
	Delete(ctx context.Context, s *v1alpha1.VDISession) (remaining string, err error)
}

// changeover is a workload of the present kind that takes the place of the former
// kind's, session by session: not while a desktop is live, and not before the last pod
// of the former is gone.
type changeover struct {
	client client.Client
	now    Workload
	former former
	// to is the present kind in words.
	to string
	// settled holds the UIDs of sessions of which nothing is left of the former kind:
	// it does not come back as long as this program runs.
	settled sync.Map
	// going holds those whose former workload was asked to go while they sleep.
	going sync.Map
}

var _ Workload = (*changeover)(nil)

// Watched implements Workload.
func (c *changeover) Watched() []client.Object { return c.now.Watched() }

// left says in words what there is of a session's former workload; empty if nothing.
func (c *changeover) left(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	if _, settled := c.settled.Load(s.UID); settled {
		return "", nil
	}
	left, err := c.former.left(ctx, s)
	if err == nil && left == "" {
		c.settled.Store(s.UID, nil)
	}
	return left, err
}

// Apply implements Workload.
func (c *changeover) Apply(ctx context.Context, s *v1alpha1.VDISession, shape Shape, live Live) (Delay, error) {
	left, err := c.left(ctx, s)
	if err != nil {
		return Delay{}, err
	}
	if left == "" {
		return c.now.Apply(ctx, s, shape, live)
	}
	keep, err := live(ctx)
	if err != nil {
		return Delay{}, err
	}
	if keep {
		pods, err := sessionPods(ctx, c.client, s)
		if err != nil {
			return Delay{}, err
		}
		// A start that has no pod yet loses nothing, and nobody scales the former up.
		if current(pods) != nil {
			return Delay{Reason: v1alpha1.ReasonWaitingForSleep, Message: fmt.Sprintf(
				"The installation runs desktops otherwise now: this one still runs as %s, and becomes %s when it next wakes.", left, c.to)}, nil
		}
	}
	remaining, err := c.former.Delete(ctx, s)
	if err != nil {
		return Delay{}, err
	}
	if remaining != "" {
		return Delay{Reason: v1alpha1.ReasonChangingOver, Message: c.moving(remaining), Again: pollEvery}, nil
	}
	return c.now.Apply(ctx, s, shape, live)
}

func (c *changeover) moving(remaining string) string {
	return fmt.Sprintf("The desktop becomes %s; waiting for %s to be gone.", c.to, remaining)
}

// Rest implements Workload.
func (c *changeover) Rest(ctx context.Context, s *v1alpha1.VDISession, shape Shape, keep bool, may func() bool) (Rested, error) {
	left, err := c.left(ctx, s)
	if err != nil {
		return Rested{}, err
	}
	if left == "" {
		return c.now.Rest(ctx, s, shape, keep, may)
	}
	if _, goes := c.going.Load(s.UID); !goes && !may() {
		return Rested{Left: true}, nil
	}
	c.going.Store(s.UID, nil)
	remaining, err := c.former.Delete(ctx, s)
	if err != nil || remaining != "" {
		return Rested{Left: true, Again: pollEvery}, err
	}
	c.going.Delete(s.UID)
	return c.now.Rest(ctx, s, shape, keep, may)
}

// Scale implements Workload. What is left of the former kind stops by its deletion,
// also where there is nothing to take its place, such as without a template.
func (c *changeover) Scale(ctx context.Context, s *v1alpha1.VDISession, awake bool, live Live) (bool, error) {
	left, err := c.left(ctx, s)
	if err != nil {
		return false, err
	}
	if left != "" && !awake {
		return false, c.stopFormer(ctx, s, live)
	}
	return c.now.Scale(ctx, s, awake, live)
}

func (c *changeover) stopFormer(ctx context.Context, s *v1alpha1.VDISession, live Live) error {
	pods, err := sessionPods(ctx, c.client, s)
	if err != nil || len(pods) == 0 {
		return err
	}
	if live, err := live(ctx); err != nil || live {
		return err
	}
	_, err = c.former.Delete(ctx, s)
	return err
}

// Observe implements Workload. A desktop of the former kind can be woken: it changes
// over on its way.
func (c *changeover) Observe(ctx context.Context, s *v1alpha1.VDISession) (Observation, error) {
	o, err := c.now.Observe(ctx, s)
	if err != nil {
		return o, err
	}
	left, err := c.left(ctx, s)
	if err != nil || left == "" {
		return o, err
	}
	o.Exists = true
	if o.Pod == nil && o.Progress.Reason != v1alpha1.ReasonNodeLost {
		o.Progress = Progress{Reason: v1alpha1.ReasonChangingOver, Message: c.moving(left)}
	}
	return o, nil
}

// Delete implements Workload.
func (c *changeover) Delete(ctx context.Context, s *v1alpha1.VDISession) (string, error) {
	left, err := c.left(ctx, s)
	if err != nil {
		return "", err
	}
	if left != "" {
		if remaining, err := c.former.Delete(ctx, s); err != nil || remaining != "" {
			return remaining, err
		}
	}
	remaining, err := c.now.Delete(ctx, s)
	if err == nil && remaining == "" {
		c.settled.Delete(s.UID)
		c.going.Delete(s.UID)
	}
	return remaining, err
}
