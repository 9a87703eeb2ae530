package listening

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	coordinationv1ac "k8s.io/client-go/applyconfigurations/coordination/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/config"
)

// renewer owns the fields of an activator's Lease.
const renewer = client.FieldOwner("vdi-activator")

// Pod is the one that an activator runs in; its name is empty where that is not known.
type Pod struct {
	Name string
	UID  types.UID
}

// Leases applies a Lease.
type Leases interface {
	Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.ApplyOption) error
}

var _ Leases = client.Client(nil)

// Renewer renews the Lease of the activator's pod. Who cannot reach the API server cannot
// write what is reported either, and cannot renew.
type Renewer struct {
	Leases       Leases
	Installation config.Installation
	Pod          Pod
	Log          *slog.Logger

	failing bool
}

// Run renews the Lease until listening ends, and then leaves it to lapse. It fails nobody:
// without a Lease an activator serves visitors as ever, and the operator says what is missing.
func (r *Renewer) Run(listening context.Context) {
	if r.Pod.Name == "" {
		r.Log.Warn("the activator does not know its pod and holds no Lease: if no other replica does, no desktop falls asleep " +
			"by its disconnect or idle timeout; set --pod-name and --pod-uid from the pod's metadata.name and metadata.uid, as the chart does")
		return
	}
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		r.renew(listening, time.Now())
		select {
		case <-listening.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Renewer) renew(ctx context.Context, now time.Time) {
	within, cancel := context.WithTimeout(ctx, renewWithin)
	defer cancel()
	err := r.Leases.Apply(within, r.lease(now), renewer, client.ForceOwnership)
	switch {
	case err == nil && r.failing:
		r.Log.Info("the activator's Lease is renewed again")
	case err != nil && !r.failing && ctx.Err() == nil:
		r.Log.Warn("the activator's Lease cannot be renewed; it is tried again. If no other replica's is, no desktop falls asleep by its "+
			"disconnect or idle timeout", "namespace", r.Installation.Namespace, "lease", r.Pod.Name, "error", remedied(err))
	}
	r.failing = err != nil
}

// lease is the activator's, renewed at now. It goes when its pod goes.
func (r *Renewer) lease(now time.Time) *coordinationv1ac.LeaseApplyConfiguration {
	l := coordinationv1ac.Lease(r.Pod.Name, r.Installation.Namespace).
		WithLabels(map[string]string{Label: r.Installation.Name, "app.kubernetes.io/part-of": "vdi-operator"}).
		WithSpec(coordinationv1ac.LeaseSpec().
			WithHolderIdentity(r.Pod.Name).WithLeaseDurationSeconds(int32(Lapse / time.Second)).WithRenewTime(metav1.NewMicroTime(now)))
	if r.Pod.UID != "" {
		l.WithOwnerReferences(metav1ac.OwnerReference().WithAPIVersion("v1").WithKind("Pod").WithName(r.Pod.Name).WithUID(r.Pod.UID))
	}
	return l
}

// remedied says what to do about an error that somebody can mend.
func remedied(err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%w: give the activator's service account create and patch of leases in its namespace, "+
			"as the chart's Role does with rbac.create", err)
	}
	return err
}
