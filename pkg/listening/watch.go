package listening

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// settleEvery is how often it is looked whether a Lease has lapsed, of which no event tells.
	settleEvery = 5 * time.Second
	// failsFor is for how long an error of the watch is still the case: it is tried again
	// within half a minute.
	failsFor = time.Minute
)

// Conditions takes v1alpha1.ConditionActivatorsListening.
type Conditions interface {
	Set(conditionType string, status metav1.ConditionStatus, reason, message string)
}

// Watch keeps a Record of an installation's activators. It has a cache of its own: without
// the right to read Leases all else goes on.
type Watch struct {
	// Config reaches the API server; Options are those of a cache, with the scheme.
	Config       *rest.Config
	Options      cache.Options
	Installation config.Installation
	Record       *Record
	Conditions   Conditions
	// Returned is called when activators listen and none did before.
	Returned func()
	Now      func() time.Time

	changed chan struct{}
	mu      sync.Mutex
	// failed is why Leases could last not be read, and failedAt when; mu guards both.
	failed   error
	failedAt time.Time
}

// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,namespace=vdi-system,verbs=list;watch

// Start watches until ctx ends.
func (w *Watch) Start(ctx context.Context) error {
	w.changed = make(chan struct{}, 1)
	leases, err := w.informer(ctx)
	if err != nil {
		return fmt.Errorf("watching the activators' Leases: %w", err)
	}
	var settled sync.WaitGroup
	defer settled.Wait()
	settled.Go(func() { w.settle(ctx) })
	return leases.Start(ctx)
}

func (w *Watch) informer(ctx context.Context) (cache.Cache, error) {
	options := w.Options
	options.DefaultNamespaces = map[string]cache.Config{w.Installation.Namespace: {}}
	options.DefaultLabelSelector = labels.SelectorFromSet(labels.Set{Label: w.Installation.Name})
	options.DefaultWatchErrorHandler = func(ctx context.Context, r *toolscache.Reflector, err error) {
		toolscache.DefaultWatchErrorHandler(ctx, r, err)
		w.fail(err)
	}
	leases, err := cache.New(w.Config, options)
	if err != nil {
		return nil, err
	}
	informer, err := leases.GetInformer(ctx, &coordinationv1.Lease{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	_, err = informer.AddEventHandler(w)
	return leases, err
}

var _ toolscache.ResourceEventHandler = (*Watch)(nil)

// OnAdd implements toolscache.ResourceEventHandler.
func (w *Watch) OnAdd(o any, initially bool) {
	l, ok := o.(*coordinationv1.Lease)
	switch {
	case !ok:
	case initially:
		w.Record.Found(l.Name, renewed(l))
	default:
		w.OnUpdate(nil, l)
	}
}

// OnUpdate implements toolscache.ResourceEventHandler.
func (w *Watch) OnUpdate(_, o any) {
	if l, ok := o.(*coordinationv1.Lease); ok {
		w.Record.Seen(w.Now(), l.Name, renewed(l))
		w.look()
	}
}

// OnDelete implements toolscache.ResourceEventHandler.
func (w *Watch) OnDelete(o any) {
	if key, err := toolscache.DeletionHandlingMetaNamespaceKeyFunc(o); err == nil {
		_, name, _ := toolscache.SplitMetaNamespaceKey(key)
		w.Record.Gone(name)
		w.look()
	}
}

func renewed(l *coordinationv1.Lease) time.Time {
	if l.Spec.RenewTime == nil {
		return time.Time{}
	}
	return l.Spec.RenewTime.Time
}

func (w *Watch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed, w.failedAt = err, w.Now()
}

// forbidden is why Leases may not be read at now; nil where they may.
func (w *Watch) forbidden(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if apierrors.IsForbidden(w.failed) && now.Sub(w.failedAt) <= failsFor {
		return w.failed
	}
	return nil
}

// look has settle look at once.
func (w *Watch) look() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// settle says what has become of the activators, and wakes who waits for one.
func (w *Watch) settle(ctx context.Context) {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	was := lifecycle.Listening{Nobody: true}
	for {
		now := w.Now()
		is := w.Record.Listening(now, time.Time{})
		// They may have gone and come back between two looks.
		if !is.Nobody && (was.Nobody || !is.Returned.Equal(was.Returned)) {
			w.Returned()
		}
		was = is
		w.report(now, !is.Nobody)
		select {
		case <-ctx.Done():
			return
		case <-w.changed:
		case <-tick.C:
		}
	}
}

func (w *Watch) report(now time.Time, listens bool) {
	set := func(status metav1.ConditionStatus, reason, message string) {
		w.Conditions.Set(v1alpha1.ConditionActivatorsListening, status, reason, message)
	}
	const costs = "No desktop falls asleep by its disconnect or idle timeout until then."
	switch {
	case listens:
		set(metav1.ConditionTrue, v1alpha1.ReasonListening, "Activators tell the operator who uses desktops.")
	case !w.Record.Missed(now): // it cannot be known yet
	case w.forbidden(now) != nil:
		set(metav1.ConditionFalse, v1alpha1.ReasonForbidden, fmt.Sprintf("%v: give the operator's service account list and watch of leases in "+
			"namespace %s, as the chart's Role does with rbac.create. %s", w.forbidden(now), w.Installation.Namespace, costs))
	default:
		set(metav1.ConditionFalse, v1alpha1.ReasonNobodyListens, fmt.Sprintf("No activator has renewed a Lease with the label %s=%s in namespace %s for %s: "+
			"see whether its pods run, and what their log says of the Lease; those of versions before 0.2 hold none. %s",
			Label, w.Installation.Name, w.Installation.Namespace, Lapse, costs))
	}
}
