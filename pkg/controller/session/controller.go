// Package session is the controller of VDISessions: it makes what a session needs,
// records when its desktop wakes and sleeps, and says in words how it stands.
//
// It promises that a live desktop is never restarted behind its user's back, that a
// home is never used by two sessions, and that what a person can mend is a condition
// rather than a retry. When a desktop wakes or sleeps is pkg/lifecycle's decision;
// what it runs on is pkg/workload's business.
package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/claims"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/watched"
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	// refusalRetry is how often something that the API server refused is tried
	// again without a change: a quota or a webhook may have changed unseen.
	refusalRetry = 30 * time.Second
	// conflictRetry is the pause before a transition that met another writer is
	// decided anew; by then the cache has that writer's change.
	conflictRetry = 50 * time.Millisecond
)

// Metrics counts what happens to sessions.
type Metrics interface {
	// Woke takes what the desktop woke from: metrics.WokeFromZero, WokeFromPool or WokeFromDoze.
	Woke(from string)
	// Dozed takes how long a freeze took, DozeEnded how long a desktop was frozen.
	Dozed(took time.Duration)
	DozeEnded(after time.Duration)
	// GaveWay counts a dozing desktop, or one that waits in a warm pool, that is told to give way.
	GaveWay(to metrics.GaveWayTo)
	// PressureUnknown counts a node's program that was asked for memory pressure and did not tell.
	PressureUnknown()
	Slept(reason string)
	Started(took time.Duration)
}

// Activators says what is known at now of the activators' listening, for who has decided
// since began.
type Activators interface {
	Listening(now, began time.Time) lifecycle.Listening
}

// Namespaces knows how the namespaces stand that are served by name.
type Namespaces interface {
	// Ending is whether a namespace is being deleted.
	Ending(namespace string) bool
	// Begun brings each whose deletion has begun.
	Begun() <-chan event.TypedGenericEvent[string]
}

// Claims knows which installation serves a namespace.
type Claims interface {
	// Other is another installation that serves it; empty where this one does.
	Other(ctx context.Context, namespace string) (string, error)
}

// Pool has desktops that wait for sessions which start from zero.
type Pool interface {
	// Take is the pod of one that is the session's from now on; nil where there is none for it.
	Take(ctx context.Context, s *v1alpha1.VDISession, t *v1alpha1.VDITemplate, shape workload.Shape) (*corev1.Pod, error)
	// Pause replaces so many fewer of a template in a namespace until then: they gave way to a node
	// that is short of memory. What was said of the node before counts no more.
	Pause(template, namespace, node string, fewer int, until time.Time)
}

// Reconciler reconciles VDISessions.
type Reconciler struct {
	Client client.Client
	// API reads from the API server itself what the cache may not have yet; nil reads nothing.
	API      client.Reader
	Workload workload.Workload
	// Config's sessions are where Defaults began.
	Config   config.Config
	Defaults *Defaults
	Signer   *token.Signer
	Events   events.EventRecorder
	Metrics  Metrics
	// Audit records wakes, sleeps and deletions; nil does not.
	Audit *audit.Log
	// Now is the clock.
	Now func() time.Time
	// Tracer goes on with the trace of each wake; nil traces nothing.
	Tracer trace.Tracer
	// Tidying paces how often what a sleeping desktop has no use for is taken away; nil does not.
	Tidying *rate.Limiter
	// Namespaces says which are being deleted; nil knows none.
	Namespaces Namespaces
	// Claims says which namespaces another installation serves; nil knows none.
	Claims Claims
	// Activators says when somebody has received reports; nil believes that who is not
	// reported is not there.
	Activators Activators
	// Pool has desktops that wait; nil has none.
	Pool Pool
	// Programs freeze desktops on their nodes, by Orders; nil freezes none.
	Programs Programs
	Orders   Orders

	began sync.Once
	start time.Time
	nodes nodes
	yields
	relief relief
	// failedFreezes has for how long and why a desktop is not frozen again: failedFreeze by name.
	failedFreezes sync.Map
	// toldToFreeze has the order to thaw of the doze for which an order to freeze may have been
	// obeyed, by the session's name.
	toldToFreeze sync.Map
	// unrecorded are the passes of desktops that were woken and whose record waits for those
	// of others, by the session's name; recording is how many write theirs.
	unrecorded sync.Map
	recording  atomic.Int32
}

// listening is what is known of who reports at now. It begins when this replica first reads a
// session, as the leader: while the API server was away, or nobody led, nobody could report.
func (r *Reconciler) listening(now time.Time) *lifecycle.Listening {
	if r.Activators == nil {
		return nil
	}
	r.began.Do(func() { r.start = now })
	l := r.Activators.Listening(now, r.start)
	return &l
}

// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisessions,verbs=get;list;watch;update;patch
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisessions/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisessions/finalizers,verbs=update
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vditemplates,verbs=get;list;watch
// +kubebuilder:rbac:groups=serving.knative.dev,resources=services,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups=apps,resources=deployments/scale,verbs=get;patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups="",resources=nodes,verbs=list
// +kubebuilder:rbac:groups=storage.k8s.io,resources=storageclasses,verbs=get
// +kubebuilder:rbac:groups="";events.k8s.io,resources=events,verbs=create;patch

// Reconcile takes one session a step further.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if p, ok := r.unrecorded.LoadAndDelete(req.NamespacedName); ok {
		return p.(*pass).write(ctx)
	}
	session := &v1alpha1.VDISession{}
	if err := r.Client.Get(ctx, req.NamespacedName, session); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.Claims != nil {
		if other, err := r.Claims.Other(ctx, session.Namespace); err != nil || other != "" {
			return ctrl.Result{RequeueAfter: claims.LookAgain}, err
		}
	}
	result, err := r.step(ctx, session)
	switch {
	case apierrors.IsConflict(err): // somebody else wrote at the same moment, and is read next time
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	case watched.EndingError(err):
		return ctrl.Result{RequeueAfter: cleanUpRetry}, r.terminating(ctx, session, namespaceEnds)
	}
	return result, err
}

func (r *Reconciler) step(ctx context.Context, session *v1alpha1.VDISession) (ctrl.Result, error) {
	if r.Namespaces != nil && r.Namespaces.Ending(session.Namespace) {
		return ctrl.Result{}, r.letGo(ctx, session)
	}
	if !session.DeletionTimestamp.IsZero() {
		return r.cleanUp(ctx, session)
	}
	if err := r.ensureFinalizer(ctx, session); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	p := r.newPass(session)
	if err := p.resolveTemplate(ctx); err != nil {
		return ctrl.Result{}, err
	}
	if err := p.observe(ctx); err != nil {
		return ctrl.Result{}, err
	}
	p.mayDoze()
	p.makeRoom(ctx)
	p.decide()
	if err := p.doze(ctx); err != nil {
		return ctrl.Result{}, err
	}
	if err := p.seekRoom(ctx); err != nil {
		return ctrl.Result{}, err
	}
	act := p.rest
	if p.decision.Awake {
		act = p.run
	}
	if err := act(ctx); err != nil {
		return ctrl.Result{}, err
	}
	p.summarise()
	return p.write(ctx)
}

func (r *Reconciler) ensureFinalizer(ctx context.Context, s *v1alpha1.VDISession) error {
	base := s.DeepCopy()
	if !controllerutil.AddFinalizer(s, v1alpha1.FinalizerCleanup) {
		return nil
	}
	return r.Client.Patch(ctx, s, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}))
}

// pass is one reconciliation of one session: what was found, and the status that follows.
type pass struct {
	*Reconciler
	now time.Time
	// before is the session as it was read; session is the same with the status
	// that this pass arrives at.
	before, session *v1alpha1.VDISession

	template *v1alpha1.VDITemplate // nil where it does not exist
	policy   lifecycle.Policy
	observed workload.Observation
	decision lifecycle.Decision

	// stops says that the desktop stays at zero until its workload can change.
	stops bool
	// fromPool says that the desktop, which wakes, was taken from a warm pool.
	fromPool bool
	// noDoze is why no doze begins.
	noDoze noDoze
	// blocked is what keeps the wanted shape from being applied; zero if nothing does.
	blocked blocked
	// again is when to come back without any event; zero is never.
	again time.Time
	// happened is done once the status is written.
	happened []func()
}

func (r *Reconciler) newPass(s *v1alpha1.VDISession) *pass {
	// The API keeps microseconds; with more every status would differ.
	return &pass{Reconciler: r, now: r.Now().Truncate(time.Microsecond), before: s, session: s.DeepCopy()}
}

// returnAt asks for another pass at t, or earlier if asked before.
func (p *pass) returnAt(t time.Time) {
	if !t.IsZero() && (p.again.IsZero() || t.Before(p.again)) {
		p.again = t
	}
}
