// Package autoscaler scales desktops: it is the Knative PodAutoscaler class
// session.vdi.kasm.io.
//
// It promises that a desktop runs when its session's clock says so, and that an
// unknown state leaves the replicas alone. It takes the decision from
// pkg/lifecycle on the session as it stands, so a wake does not wait for the
// session's own controller; it puts to sleep only what that controller recorded
// as asleep.
package autoscaler

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/trace"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/priority"
	"github.com/org/vdi-operator/pkg/tracing"
	"github.com/org/vdi-operator/pkg/workload"
)

// Reconciler reconciles the PodAutoscalers of this product's class.
type Reconciler struct {
	Client client.Client
	// Now is the clock.
	Now func() time.Time
	// Tracer goes on with the trace of each wake; nil traces nothing.
	Tracer trace.Tracer
}

// +kubebuilder:rbac:groups=autoscaling.internal.knative.dev,resources=podautoscalers,verbs=get;list;watch
// +kubebuilder:rbac:groups=autoscaling.internal.knative.dev,resources=podautoscalers/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=autoscaling.internal.knative.dev,resources=podautoscalers/finalizers,verbs=update
// +kubebuilder:rbac:groups=networking.internal.knative.dev,resources=serverlessservices,verbs=get;list;watch;create;update;patch
// +kubebuilder:rbac:groups=serving.knative.dev,resources=services,verbs=get;list;watch
// +kubebuilder:rbac:groups=vdi.kasm.io,resources=vdisessions,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=deployments/scale,verbs=get;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch

// Reconcile scales one revision of a desktop and reports it to Knative.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	pa := &autoscalingv1alpha1.PodAutoscaler{}
	if err := r.Client.Get(ctx, req.NamespacedName, pa); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if pa.Class() != v1alpha1.PodAutoscalerClass || !pa.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	session, err := get(ctx, r.Client, pa.Namespace, sessionOf(pa), &v1alpha1.VDISession{})
	if err != nil {
		return ctrl.Result{}, err
	}
	service, err := get(ctx, r.Client, pa.Namespace, sessionOf(pa), &servingv1.Service{})
	if err != nil {
		return ctrl.Result{}, err
	}
	deployment, err := get(ctx, r.Client, pa.Namespace, pa.Spec.ScaleTargetRef.Name, &appsv1.Deployment{})
	if err != nil {
		return ctrl.Result{}, err
	}
	now := r.Now()
	scale := desiredScale(now, pa, session, service)

	// The scale comes first: somebody may be waiting for it. A deployment that does not exist yet
	// has replicas 0 by the revision's initial scale, and its event brings us back.
	var result ctrl.Result
	if deployment != nil && scale != nil {
		scaled, err := workload.ScaleDeployment(ctx, r.Client, deployment, *scale)
		switch {
		case errors.Is(err, workload.ErrFinishing):
			result = ctrl.Result{RequeueAfter: workload.FinishingRetry, Priority: new(priority.Wake)}
		case err != nil:
			return ctrl.Result{}, err
		}
		if scaled && *scale > 0 {
			tracing.RecordWake(ctx, r.Tracer, session, "scale", now, r.Now())
		}
	}
	sks, err := r.serverlessService(ctx, pa)
	if err != nil {
		return ctrl.Result{}, err
	}
	return result, r.status(ctx, pa, sks, deployment, scale)
}

// get returns nil for an object that does not exist.
func get[T client.Object](ctx context.Context, c client.Reader, namespace, name string, into T) (T, error) {
	var none T
	err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, into)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	return into, nil
}

// serverlessService makes and returns Knative's proxy of the revision, through
// which Knative knows the revision's Services.
func (r *Reconciler) serverlessService(ctx context.Context, pa *autoscalingv1alpha1.PodAutoscaler) (*netv1alpha1.ServerlessService, error) {
	desired := serverlessService(pa)
	sks := desired.DeepCopy()
	_, err := controllerutil.CreateOrPatch(ctx, r.Client, sks, func() error {
		sks.Spec = desired.Spec
		return nil
	})
	return sks, client.IgnoreAlreadyExists(err)
}

// status reports to Knative what became of the revision, once its Services have names: the
// API server refuses a status without them. A merge patch of our fields needs no lock:
// nobody else writes them.
func (r *Reconciler) status(ctx context.Context, pa *autoscalingv1alpha1.PodAutoscaler, sks *netv1alpha1.ServerlessService,
	deployment *appsv1.Deployment, scale *int32) error {
	if sks.Status.ServiceName == "" || sks.Status.PrivateServiceName == "" {
		return nil
	}
	changed := pa.DeepCopy()
	setStatus(changed, sks, deployment, scale)
	if equality.Semantic.DeepEqual(pa.Status, changed.Status) {
		return nil
	}
	return client.IgnoreNotFound(r.Client.Status().Patch(ctx, changed, client.MergeFrom(pa)))
}
