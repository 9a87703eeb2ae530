// Package knativeready says whether Knative Serving is there, new enough, and ready to
// make sessions' workloads. It reads only Knative's own Deployments, so it has an answer
// on any cluster, and changes nothing.
package knativeready

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	// interval is how often Knative is checked, by two requests.
	interval = 15 * time.Second

	// versionLabel is on everything that Knative installs.
	versionLabel = "app.kubernetes.io/version"
	// moduleOffset is what a module's minor version is behind the release's: Knative
	// 1.23 is knative.dev/serving v0.50.
	moduleOffset = 27
)

// Oldest is the oldest Knative Serving that desktops run on.
var Oldest = version.MajorMinor(1, 20)

// needed are the Deployments without which no session is made or changed. Knative's
// autoscaler and activator are none of them: sessions have their own.
var needed = []string{"controller", "webhook"}

// Conditions takes the condition v1alpha1.ConditionKnativeReady.
type Conditions interface {
	Set(conditionType string, status metav1.ConditionStatus, reason, message string)
}

// Check sets the condition KnativeReady at intervals.
type Check struct {
	// Reader reads what is there now, not a cache.
	Reader client.Reader
	// Namespace is Knative Serving's.
	Namespace  string
	Conditions Conditions
}

var _ manager.Runnable = (*Check)(nil)

// +kubebuilder:rbac:groups=apps,resources=deployments,namespace=knative-serving,verbs=get

// Start implements manager.Runnable; the manager runs it in the leader alone.
func (c *Check) Start(ctx context.Context) error {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if status, reason, message := c.check(ctx); ctx.Err() == nil {
			c.Conditions.Set(v1alpha1.ConditionKnativeReady, status, reason, message)
		}
	}, interval)
	return nil
}

func (c *Check) check(ctx context.Context) (status metav1.ConditionStatus, reason, message string) {
	var found []*appsv1.Deployment
	for _, name := range needed {
		d := &appsv1.Deployment{}
		err := c.Reader.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, d)
		switch {
		case apierrors.IsNotFound(err):
			return metav1.ConditionFalse, v1alpha1.ReasonNotInstalled, fmt.Sprintf(
				"There is no Deployment %s in namespace %s: install Knative Serving %s or later (https://knative.dev/docs/install), or name the "+
					"namespace it is in in knative.namespace.", name, c.Namespace, Oldest)
		case apierrors.IsForbidden(err):
			// With the rights of a namespace alone (rbac.clusterScoped=false) that is meant.
			return metav1.ConditionUnknown, v1alpha1.ReasonForbidden, fmt.Sprintf(
				"The operator may not read Deployments in namespace %s. With rbac.clusterScoped=false an administrator of the cluster maintains "+
					"Knative; otherwise helm upgrade writes the operator's Role there anew. %v", c.Namespace, err)
		case err != nil:
			return metav1.ConditionUnknown, v1alpha1.ReasonUnreadable, fmt.Sprintf("Deployment %s in namespace %s: %v", name, c.Namespace, err)
		}
		found = append(found, d)
	}
	return assess(found)
}

// assess judges the Deployments that are needed.
func assess(deployments []*appsv1.Deployment) (status metav1.ConditionStatus, reason, message string) {
	label := deployments[0].Labels[versionLabel]
	release := releaseOf(label)
	if release != nil && release.LessThan(Oldest) {
		return metav1.ConditionFalse, v1alpha1.ReasonTooOld, fmt.Sprintf(
			"Knative Serving is %s, and desktops need %s or later: upgrade it, one minor version after the other.", named(label, release), Oldest)
	}
	for _, d := range deployments {
		if d.Status.AvailableReplicas == 0 {
			return metav1.ConditionFalse, v1alpha1.ReasonNotReady, fmt.Sprintf(
				"Knative's %s has no replica that is ready: sessions that exist sleep and wake, new ones and changes wait. See kubectl -n %s "+
					"describe deployment %s", d.Name, d.Namespace, d.Name)
		}
	}
	if release == nil {
		return metav1.ConditionTrue, v1alpha1.ReasonVersionUnknown, fmt.Sprintf(
			"Knative Serving is ready. Its version is not known (label %s is %q); desktops need %s or later.", versionLabel, label, Oldest)
	}
	return metav1.ConditionTrue, v1alpha1.ReasonReady, fmt.Sprintf("Knative Serving %s is ready.", named(label, release))
}

// named is the release that people know, with the label where that has another number.
func named(label string, release *version.Version) string {
	if v, err := version.ParseGeneric(label); err != nil || v.Major() == release.Major() {
		return label
	}
	return fmt.Sprintf("%d.%d (%s)", release.Major(), release.Minor(), label)
}

// releaseOf reads the label: a release such as 1.23.0, or the version of the module, such
// as 0.50.0, as those who build Knative themselves have it. It is nil for one that is
// neither, such as "devel".
func releaseOf(label string) *version.Version {
	v, err := version.ParseGeneric(label)
	if err != nil {
		return nil
	}
	if v.Major() == 0 {
		if v.Minor() < moduleOffset {
			return v
		}
		return version.MajorMinor(1, v.Minor()-moduleOffset)
	}
	return v
}
