package session

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/workload"
)

// live is whether a change or a stop would take a desktop away from somebody. The caches may
// not know yet of a wake, a pod or a visitor: what would be nobody's by them is asked of the
// API server.
func (p *pass) live(ctx context.Context) (bool, error) {
	if p.API == nil || p.alive(p.before, p.observed) {
		return p.alive(p.before, p.observed), nil
	}
	latest := &v1alpha1.VDISession{}
	if err := p.API.Get(ctx, client.ObjectKeyFromObject(p.session), latest); client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("look whether the desktop is in use: %w", err)
	}
	if !lifecycle.Awake(latest) && !lifecycle.Awake(p.session) {
		return false, nil
	}
	observed, err := workload.ObservePods(ctx, p.API, p.session)
	if err != nil {
		return false, fmt.Errorf("look whether the desktop has a pod: %w", err)
	}
	if observed.Pod == nil {
		observed.Progress = p.observed.Progress
	}
	return p.alive(latest, observed), nil
}

// alive is whether a desktop is live: from the record of its wake, or while it has a pod, until
// its sleep is recorded. A start that is stuck has nothing to lose, and the change may be what
// mends it.
func (p *pass) alive(before *v1alpha1.VDISession, observed workload.Observation) bool {
	if !lifecycle.Awake(before) && (!lifecycle.Awake(p.session) || observed.Pod == nil) {
		return false
	}
	return lifecycle.Started(before) || lifecycle.Started(p.session) || p.reached(before) || !observed.Progress.Stuck
}

// reached is whether an activator has reached the desktop since its start began: its agent
// announces it before the API server knows that it runs.
func (p *pass) reached(s *v1alpha1.VDISession) bool {
	a := s.Status.Activity
	return lifecycle.Awake(s) && a != nil && lifecycle.Credible(a.LastReachedTime, p.now).After(lifecycle.StartBegan(s))
}
