// Package prepull keeps templates' images on the nodes that may run them, so that no desktop's
// first start on a node waits for its image.
//
// Of each template it makes a DaemonSet in the installation's own namespace. It promises that the
// pods take no GPU and next to nothing else, run nothing of their images, pass the Pod Security
// level "restricted", and go with the template or with the pods' service account, which the chart
// makes as long as the images are to be kept.
package prepull

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

const (
	// lookAgain is when pods that are not ready are looked at again: nothing tells why they wait.
	lookAgain = 30 * time.Second
	// hashLength keeps 64 bits: it only has to differ from the spec before.
	hashLength = 16
)

// Keeper makes, reads and deletes the DaemonSets.
type Keeper struct {
	// Client has the DaemonSets of this installation in its cache.
	Client client.Client
	// API reads what no cache has: the service account, and pods that are not ready.
	API    client.Reader
	Config config.Config
}

// +kubebuilder:rbac:groups=apps,resources=daemonsets,namespace=vdi-system,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=serviceaccounts,namespace=vdi-system,verbs=get
// +kubebuilder:rbac:groups="",resources=pods,namespace=vdi-system,verbs=list

// Keep makes the DaemonSet of a template as its desktops' pod asks for, and says how far it is,
// and when to look again; 0 is when the DaemonSet changes. What keeps it from being made is the
// report's message.
func (k *Keeper) Keep(ctx context.Context, t *v1alpha1.VDITemplate, desktop *corev1.PodSpec) (*v1alpha1.TemplatePrePull, time.Duration) {
	d, err := k.settle(ctx, t, desktop)
	if err != nil {
		message := fmt.Sprintf("DaemonSet %q cannot be made: %s", name(k.Config.Installation, t.Name), err)
		return &v1alpha1.TemplatePrePull{Message: message}, lookAgain
	}
	report, err := k.report(ctx, d)
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("why images are not on nodes yet is not known", "retryAfter", lookAgain.String(), "error", err.Error())
	}
	if report.Ready < report.Desired {
		return report, lookAgain
	}
	return report, 0
}

// settle returns the DaemonSet as it is. What somebody else changes of it stays until the template
// or the configuration changes, such as the annotation of `kubectl rollout restart`.
func (k *Keeper) settle(ctx context.Context, t *v1alpha1.VDITemplate, desktop *corev1.PodSpec) (*appsv1.DaemonSet, error) {
	desired, err := k.daemonSet(t, desktop)
	if err != nil {
		return nil, err
	}
	existing := &appsv1.DaemonSet{}
	err = k.Client.Get(ctx, client.ObjectKeyFromObject(desired), existing)
	switch {
	case apierrors.IsNotFound(err):
		return k.create(ctx, desired)
	case err != nil:
		return nil, err
	case !k.ours(existing, t.Name):
		return nil, foreign(existing)
	case existing.Annotations[v1alpha1.AnnotationShapeHash] == desired.Annotations[v1alpha1.AnnotationShapeHash]:
		return existing, nil
	}
	changed := existing.DeepCopy()
	metav1.SetMetaDataAnnotation(&changed.ObjectMeta, v1alpha1.AnnotationShapeHash, desired.Annotations[v1alpha1.AnnotationShapeHash])
	changed.Spec = desired.Spec
	return changed, k.Client.Patch(ctx, changed, client.MergeFrom(existing))
}

func (k *Keeper) create(ctx context.Context, desired *appsv1.DaemonSet) (*appsv1.DaemonSet, error) {
	account := &corev1.ServiceAccount{}
	if err := k.API.Get(ctx, client.ObjectKey{Namespace: desired.Namespace, Name: k.Config.PrePull.ServiceAccount}, account); err != nil {
		return nil, err
	}
	desired.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: account.Name, UID: account.UID}}
	err := k.Client.Create(ctx, desired)
	if !apierrors.IsAlreadyExists(err) {
		return desired, err
	}
	existing := &appsv1.DaemonSet{} // the cache has only ours, and may be behind
	if err := k.API.Get(ctx, client.ObjectKeyFromObject(desired), existing); err != nil {
		return nil, err
	}
	if !k.ours(existing, desired.Labels[v1alpha1.LabelTemplate]) {
		return nil, foreign(existing)
	}
	return existing, nil
}

// Drop deletes the DaemonSet of a template, if there is one.
func (k *Keeper) Drop(ctx context.Context, template string) error {
	d := &appsv1.DaemonSet{}
	err := k.Client.Get(ctx, client.ObjectKey{Namespace: k.Config.Installation.Namespace, Name: name(k.Config.Installation, template)}, d)
	if err != nil || !k.ours(d, template) {
		return client.IgnoreNotFound(err)
	}
	return client.IgnoreNotFound(k.Client.Delete(ctx, d, client.Preconditions{UID: &d.UID}))
}

// daemonSet keeps the images of a template's desktops.
func (k *Keeper) daemonSet(t *v1alpha1.VDITemplate, desktop *corev1.PodSpec) (*appsv1.DaemonSet, error) {
	// They never change: a selector is immutable.
	labels := map[string]string{v1alpha1.LabelPrePull: k.Config.Installation.Name, v1alpha1.LabelTemplate: t.Name}
	most := k.Config.PrePull.MaxUnavailable
	spec := appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &most}},
		RevisionHistoryLimit: new(int32(1)),
		Template:             corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec(k.Config, desktop)},
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.Config.Installation.Namespace, Name: name(k.Config.Installation, t.Name), Labels: labels,
			Annotations: map[string]string{v1alpha1.AnnotationShapeHash: fmt.Sprintf("%x", sha256.Sum256(raw))[:hashLength]}},
		Spec: spec,
	}, nil
}

func (k *Keeper) ours(d *appsv1.DaemonSet, template string) bool {
	return d.Labels[v1alpha1.LabelPrePull] == k.Config.Installation.Name && d.Labels[v1alpha1.LabelTemplate] == template
}

func foreign(d *appsv1.DaemonSet) error {
	return fmt.Errorf("one of this name exists in namespace %q and is somebody else's; delete it, or rename the template", d.Namespace)
}
