package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

const (
	// visitAgain is how soon a person visits again who was refused.
	visitAgain = 3 * time.Second
	// settling is how long counts of templates and the like may follow, quiet for how long
	// nothing must be written then.
	settling, quiet = 8 * time.Second, 3 * time.Second
	// quietTries is how often it is looked: what came late is no unrest.
	quietTries = 4
)

// rest is what must hold once everything is well again, in this order: who comes is served;
// nothing is written while nobody does anything; what is deleted goes, with all that it had.
func (p *player) rest(ctx context.Context) (*Violation, error) {
	if err := p.heal(ctx); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		of   string
		hold func(context.Context) error
	}{{DeletionsEnd, p.deleted}, {VisitsAreServed, p.served}, {QuietAtRest, p.quiet}, {DeletionsEnd, p.strike}} {
		if err := part.hold(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return &Violation{Invariant: part.of, At: time.Now(), What: err.Error()}, nil
		}
		if p.broken(ctx) {
			return nil, nil
		}
	}
	return nil, nil
}

// broken says that something is, once all has been judged that happened until now.
func (p *player) broken(ctx context.Context) (is bool) {
	_ = p.insist(ctx, "judgement", func(ctx context.Context) error {
		if is = p.look(ctx); is {
			return nil
		}
		if _, waits := p.ledger.Broken(time.Now()); waits {
			return errors.New("something is still to be judged")
		}
		return nil
	})
	return is
}

// deleted waits until sessions and namespaces whose deletion has begun are gone.
func (p *player) deleted(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	return eventually.Wait(ctx, "what is being deleted to be gone", func() error {
		for _, space := range spaces {
			ns := p.newSpace(space)
			if err := p.api.Get(ctx, client.ObjectKeyFromObject(ns), ns); client.IgnoreNotFound(err) != nil {
				return err
			} else if err == nil && ns.DeletionTimestamp != nil {
				return fmt.Errorf("namespace %s is being deleted: %+v", ns.Name, ns.Status.Conditions)
			}
		}
		return p.noneTerminates(ctx)
	})
}

func (p *player) noneTerminates(ctx context.Context) error {
	all, err := p.listSessions(ctx)
	for _, s := range all {
		if s.DeletionTimestamp != nil {
			return fmt.Errorf("session %s/%s is being deleted since %s, with %v: %s", s.Namespace, s.Name, s.DeletionTimestamp, s.Finalizers, s.Status.Message)
		}
	}
	return err
}

func (p *player) listSessions(ctx context.Context) (all []v1alpha1.VDISession, err error) {
	for _, space := range spaces {
		list := &v1alpha1.VDISessionList{}
		if err := p.api.List(ctx, list, client.InNamespace(p.namespace(space))); err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
	}
	return all, nil
}

// served visits every session, and waits until each visitor has a desktop or is told why not.
func (p *player) served(ctx context.Context) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, servedWithin)
	defer cancel()
	visited := map[int]time.Time{}
	return eventually.Wait(ctx, "every visitor to be served", func() error {
		var waiting []string
		for i, c := range casts {
			who := guest{client.ObjectKey{Namespace: p.namespace(c.space), Name: c.session}, 0}
			s := p.ledger.Session(who.session.Namespace, who.session.Name)
			if s == nil || p.ledger.RunningSince(s.Namespace, s.Name, began) || p.refused(s) {
				continue
			}
			if time.Since(visited[i]) > visitAgain {
				visited[i] = time.Now()
				if err := p.guests.visit(ctx, who); err != nil {
					waiting = append(waiting, fmt.Sprintf("%s/%s: %v", s.Namespace, s.Name, err))
					continue
				}
				p.guests.stay(ctx, who)
			}
			waiting = append(waiting, fmt.Sprintf("%s/%s is %s since %s: %s %+v", s.Namespace, s.Name, s.Status.Phase, began.Format("15:04:05"), s.Status.Message, s.Status.Waiting))
		}
		if len(waiting) > 0 {
			return errors.New(strings.Join(waiting, "; "))
		}
		return nil
	})
}

// refused says that a session says why no visit gets its desktop, and that it is so: somebody
// switched it off, or another session has its home.
func (p *player) refused(s *v1alpha1.VDISession) bool {
	if s.Spec.Power == v1alpha1.PowerOff {
		return meta.IsStatusConditionFalse(s.Status.Conditions, v1alpha1.ConditionReady)
	}
	c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionHomeReady)
	return c != nil && c.Status == metav1.ConditionFalse && c.Reason == v1alpha1.ReasonHomeInUse && p.shares(s)
}

// shares says that another session that is there has the same home.
func (p *player) shares(s *v1alpha1.VDISession) bool {
	for _, other := range p.ledger.Sessions() {
		if other.UID != s.UID && other.Namespace == s.Namespace && other.Spec.User == s.Spec.User && other.Spec.Template == s.Spec.Template {
			return true
		}
	}
	return false
}

// quiet has all visitors leave and all sessions sleep, and counts what is written then.
func (p *player) quiet(ctx context.Context) error {
	p.guests.leaveAll()
	if err := p.allOff(ctx); err != nil {
		return err
	}
	var seen []string
	for range quietTries {
		if err := pause(ctx, settling); err != nil {
			return err
		}
		before, err := p.world.census.Writes(ctx)
		if err != nil {
			return err
		}
		if err := pause(ctx, quiet); err != nil {
			return err
		}
		after, err := p.world.census.Writes(ctx)
		if err != nil {
			return err
		}
		seen = nil
		for what, times := range after {
			if times > before[what] {
				seen = append(seen, fmt.Sprintf("%.0f of %s", times-before[what], what))
			}
		}
		if len(seen) == 0 {
			return nil
		}
	}
	return fmt.Errorf("in %s in which nobody did anything there were %s", quiet, strings.Join(seen, "; "))
}

// allOff switches all desktops off and waits until they have no pod.
func (p *player) allOff(ctx context.Context) error {
	for i, c := range casts {
		s := Step{Session: i}
		if p.ledger.Session(p.namespace(c.space), c.session) == nil {
			continue
		}
		if err := p.insist(ctx, "power off", func(ctx context.Context) error {
			return client.IgnoreNotFound(p.patch(ctx, s, `{"spec":{"power":"Off"}}`))
		}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	return eventually.Wait(ctx, "all pods to be gone", func() error {
		if left := p.ledger.Pods(); len(left) > 0 {
			return fmt.Errorf("pod %s/%s is there", left[0].Namespace, left[0].Name)
		}
		return nil
	})
}

// strike deletes all sessions and waits until nothing is left, then the namespaces and templates.
func (p *player) strike(ctx context.Context) error {
	for _, space := range spaces {
		if err := p.insist(ctx, "deletion of all sessions", func(ctx context.Context) error {
			return p.api.DeleteAllOf(ctx, &v1alpha1.VDISession{}, client.InNamespace(p.namespace(space)))
		}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	err := eventually.Wait(ctx, "all sessions and what they had to be gone", func() error { return p.nothingLeft(ctx) })
	if err != nil {
		return err
	}
	return p.clear(ctx)
}

// nothingLeft says what sessions that are gone have left in their namespaces, but homes.
func (p *player) nothingLeft(ctx context.Context) error {
	for _, space := range spaces {
		tally, err := p.world.census.Namespace(ctx, p.namespace(space))
		if err != nil {
			return err
		}
		for kind, held := range tally {
			if kind.Resource != "persistentvolumeclaims" {
				return fmt.Errorf("%d %s are left in %s", held.Objects, kind, p.namespace(space))
			}
		}
	}
	return nil
}
