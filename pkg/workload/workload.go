// Package workload turns a template and a session into a running desktop.
//
// Build is pure: configuration, template and session go in, the Shape of the
// desktop comes out. A Workload makes that shape exist and reports what became of
// it. Only this package knows what a desktop runs on, a Knative Service or a plain
// Deployment, and how it gets from one to the other; it does not know when a desktop
// is awake, nor who holds a home.
package workload

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

// New is what an installation runs its desktops on, besides pods of warm pools, and what takes
// away a workload of the other kind that it ran them on before.
//
// c need not know the other kind by its cache, and must not learn of it that way; api
// reads from the API server itself.
func New(cfg config.Config, c client.Client, api client.Reader) *Pooled {
	knative, deployment := &Knative{Client: c, API: api}, &Deployment{Client: c, API: api}
	p := &Pooled{client: c, api: api}
	if cfg.Knative.Enabled {
		p.inner = &changeover{client: c, now: knative, former: deployment, to: "a Knative Service"}
		return p
	}
	p.inner = &changeover{client: c, now: deployment, former: &formerKnative{Knative: knative, namespaces: cfg.Namespaces},
		to: "a Deployment"}
	return p
}

// Live says whether a change or a stop would take a desktop away from somebody. It may ask the
// API server, and is called only before something that may run would be taken away.
type Live func(context.Context) (bool, error)

// Workload makes the shape of a session's desktop exist.
type Workload interface {
	// Apply makes the shape exist for a desktop that is to run, or, where that is live,
	// leaves a workload of another shape alone so that nobody's desktop restarts.
	// It returns why the workload has not got the shape yet, if so. What the API
	// server refuses comes back as its own error.
	Apply(ctx context.Context, s *v1alpha1.VDISession, shape Shape, live Live) (Delay, error)

	// Rest leaves a sleeping desktop its name inside the cluster and, where keep is true,
	// a workload of this shape. The rest it takes away, once may allows it.
	Rest(ctx context.Context, s *v1alpha1.VDISession, shape Shape, keep bool, may func() bool) (Rested, error)

	// Scale makes the desktop run or stop, and returns whether it had to. A desktop that is
	// live goes on with what it runs on, and is not stopped. While a pod that ends has the
	// home, or is the desktop's last, or may still be made for its last start, the desktop stays
	// at zero, with ErrFinishing.
	Scale(ctx context.Context, s *v1alpha1.VDISession, awake bool, live Live) (scaled bool, err error)

	// Observe reports what exists of the session's workload.
	Observe(ctx context.Context, s *v1alpha1.VDISession) (Observation, error)

	// Delete takes the workload away. It returns an empty string when nothing is
	// left, and otherwise what is still there, in words.
	Delete(ctx context.Context, s *v1alpha1.VDISession) (remaining string, err error)

	// Watched lists the kinds whose changes can change an Observation. Their
	// objects carry v1alpha1.LabelSession.
	Watched() []client.Object
}

// Delay is why a workload has not got the wanted shape yet; the zero value is that it
// has.
type Delay struct {
	// Reason is one CamelCase word, as in a condition.
	Reason string
	// Message is for people.
	Message string
	// Again is when to apply again without any event; 0 is never.
	Again time.Duration
	// Stops says that the desktop stays at zero until then.
	Stops bool
}

// None is whether the workload has the wanted shape.
func (d Delay) None() bool { return d == Delay{} }

// Rested is what is left of a sleeping desktop's workload.
type Rested struct {
	// Left is whether there is one, Fits whether it has the wanted shape and is kept.
	Left, Fits bool
	// Stopped is whether nothing of it can have a pod any more.
	Stopped bool
	// Again is when to look again without any event; 0 is never.
	Again time.Duration
}

// Observation is what exists of a session's workload.
type Observation struct {
	// Exists is whether there is a workload.
	Exists bool
	// Pod is the current pod: not being deleted, the newest; nil without one.
	Pod *corev1.Pod
	// Pods is the number of pods that have not ended, those that are stopping included.
	Pods int
	// Progress says how far the start has come; the zero value where there is
	// nothing to say.
	Progress Progress
}

// Progress is how far a desktop's start has come.
type Progress struct {
	// Reason is one of the condition Ready.
	Reason string
	// Message is for people.
	Message string
	// Resource, Image and Detail are as in v1alpha1.SessionWaiting.
	Resource, Image, Detail string
	// Until is when that passes by itself at the latest; nil where nobody knows.
	Until *metav1.Time
	// Overdue is the detail of what has not passed by then; empty where that is the same.
	Overdue string
	// Stuck is whether the start gets no further unless somebody changes something.
	Stuck bool
}
