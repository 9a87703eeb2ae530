package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/bench/replica"
	"github.com/org/vdi-operator/test/bench/scaled"
)

const (
	templateName = "bench-scale"
	// writers make sessions at the same time.
	writers = 8
	// glance is how often the operator is asked how many sleep; it looks through all then.
	glance = 250 * time.Millisecond
	// patience and, for each session, patienceEach bound each part.
	patience     = 2 * time.Minute
	patienceEach = time.Second
	// The chart's GOMEMLIMITs: nine tenths of the programs' limits.
	operatorMemory  = "GOMEMLIMIT=921MiB"
	activatorMemory = "GOMEMLIMIT=1843MiB"
)

// scene is the running programs and their sessions.
type scene struct {
	options
	world     *replica.World
	operator  *replica.Operator
	activator *replica.Activator
	sessions  []*v1alpha1.VDISession
	scaled    *scaled.Deployments
	// staying ends when the visitors leave.
	staying context.Context
	leave   context.CancelFunc
}

// openScene starts everything. The caller closes it, also after an error.
func openScene(ctx context.Context, o options) (s *scene, err error) {
	s = &scene{options: o}
	s.staying, s.leave = context.WithCancel(ctx)
	if s.world, err = replica.Begin(ctx); err != nil {
		return s, err
	}
	if s.operator, err = s.world.Operator(ctx, operatorMemory); err != nil {
		return s, err
	}
	if s.activator, err = s.world.Activator(ctx, replica.Roomy(2*o.storm), activatorMemory); err != nil {
		return s, err
	}
	gpus := int32(0)
	return s, s.world.Client().Create(ctx, &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: templateName},
		Spec: v1alpha1.VDITemplateSpec{DisplayName: "Linux desktop", Image: "dev.local/desktop:1",
			Resources: v1alpha1.TemplateResources{DefaultGPU: &gpus}}})
}

func (s *scene) close() error {
	s.leave()
	if s.activator != nil {
		s.activator.End()
	}
	if s.operator != nil {
		s.operator.End()
	}
	if s.world == nil {
		return nil
	}
	return s.world.End()
}

func (s *scene) play(ctx context.Context) (r result, err error) {
	r.sessions = s.options.sessions
	if r.made, err = s.make(ctx); err != nil {
		return r, fmt.Errorf("making sessions: %w", err)
	}
	if err := s.rest(ctx, &r); err != nil {
		return r, fmt.Errorf("at rest: %w", err)
	}
	if s.scaled, err = scaled.Watch(ctx, s.world.Client(), replica.Namespace); err != nil {
		return r, err
	}
	defer s.scaled.Stop()
	if err := s.edit(ctx, &r); err != nil {
		return r, fmt.Errorf("editing the template: %w", err)
	}
	if r.storm, err = s.storm(ctx); err != nil {
		return r, fmt.Errorf("visiting %d at once: %w", s.options.storm, err)
	}
	return r, s.memory(&r, func(c *cost, resident int64) { c.after = resident })
}

// within bounds one part.
func (s *scene) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience+time.Duration(s.options.sessions)*patienceEach)
}

// make creates the sessions and waits until all are asleep, by the operator's metric: asking
// the API server would take its time.
func (s *scene) make(ctx context.Context) (time.Duration, error) {
	say("making %d sessions", s.options.sessions)
	ctx, cancel := s.within(ctx)
	defer cancel()
	began := time.Now()
	group, creating := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range s.options.sessions {
		name := fmt.Sprintf("desktop-%05d", i)
		one := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: replica.Namespace, Name: name},
			Spec: v1alpha1.VDISessionSpec{User: name + "@example.com", Template: templateName}}
		s.sessions = append(s.sessions, one)
		group.Go(func() error { return s.world.Client().Create(creating, one) })
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	for {
		asleep, err := s.asleep(ctx)
		if err == nil && asleep < s.options.sessions {
			err = pause(ctx, glance)
		}
		if err != nil || asleep == s.options.sessions {
			return time.Since(began), err
		}
	}
}
