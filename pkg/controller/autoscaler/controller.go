// Package autoscaler reports desktops to Knative: it is the PodAutoscaler class
// session.vdi.kasm.io.
//
// It scales nothing: the session's controller does, which knows what a desktop runs on. To
// Knative it says what has become of each revision, as Knative's own autoscaler would.
package autoscaler

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/watched"
)

// Reconciler reconciles the PodAutoscalers of this product's class.
type Reconciler struct {
	Client client.Client
}

// +kubebuilder:rbac:groups=autoscaling.internal.knative.dev,resources=podautoscalers,verbs=get;list;watch
// +kubebuilder:rbac:groups=autoscaling.internal.knative.dev,resources=podautoscalers/status,verbs=get;update;patch
// +kubebuilder:rbac:groups=autoscaling.internal.knative.dev,resources=podautoscalers/finalizers,verbs=update
// +kubebuilder:rbac:groups=networking.internal.knative.dev,resources=serverlessservices,verbs=get;list;watch;create;update;patch
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch

// Reconcile reports one revision of a desktop to Knative.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	pa := &autoscalingv1alpha1.PodAutoscaler{}
	if err := r.Client.Get(ctx, req.NamespacedName, pa); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if pa.Class() != v1alpha1.PodAutoscalerClass || !pa.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	deployment := &appsv1.Deployment{}
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: pa.Namespace, Name: pa.Spec.ScaleTargetRef.Name}, deployment)
	if apierrors.IsNotFound(err) {
		deployment, err = nil, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	sks, err := r.serverlessService(ctx, pa)
	if watched.EndingError(err) { // the revision ends, too
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.status(ctx, pa, sks, deployment)
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
	deployment *appsv1.Deployment) error {
	if sks.Status.ServiceName == "" || sks.Status.PrivateServiceName == "" {
		return nil
	}
	changed := pa.DeepCopy()
	setStatus(changed, sks, deployment)
	if equality.Semantic.DeepEqual(pa.Status, changed.Status) {
		return nil
	}
	return client.IgnoreNotFound(r.Client.Status().Patch(ctx, changed, client.MergeFrom(pa)))
}
