package installation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/config"
)

const (
	// reporter owns the fields of the ConfigMap.
	reporter = client.FieldOwner("vdi-operator-status")
	// rewrite is how often a ConfigMap that somebody has changed or deleted is put
	// right, reportRetry how soon a write that failed is tried again.
	rewrite     = 5 * time.Minute
	reportRetry = 10 * time.Second
)

// Reporter writes the conditions of the replica that leads. Election needs none of the
// definitions that controllers wait for, so there is a leader on any cluster.
type Reporter struct {
	// Client reads what is there now, not a cache.
	Client       client.Client
	Installation config.Installation
	// Deployment is the operator's, in the installation's namespace: the ConfigMap
	// goes when it goes.
	Deployment string
	Conditions *Conditions
	Events     events.EventRecorder
}

var _ manager.Runnable = (*Reporter)(nil)

// +kubebuilder:rbac:groups="",resources=configmaps,namespace=vdi-system,verbs=get;create;patch
// +kubebuilder:rbac:groups=apps,resources=deployments,namespace=vdi-system,verbs=get
// +kubebuilder:rbac:groups="";events.k8s.io,resources=events,namespace=vdi-system,verbs=create;patch

// Start implements manager.Runnable; the manager runs it in the leader alone.
func (r *Reporter) Start(ctx context.Context) error {
	for {
		wait := rewrite
		if err := r.report(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "the installation's conditions cannot be written", "retryAfter", reportRetry.String())
			wait = reportRetry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.Conditions.changed:
		case <-time.After(wait):
		}
	}
}

// report writes the ConfigMap if it says anything else than what is known.
func (r *Reporter) report(ctx context.Context) error {
	key := client.ObjectKey{Namespace: r.Installation.Namespace, Name: StatusName(r.Installation.Name)}
	have := &corev1.ConfigMap{}
	if err := r.Client.Get(ctx, key, have); client.IgnoreNotFound(err) != nil {
		return err
	}
	reported, err := ReadStatus(have)
	if err != nil {
		log.FromContext(ctx).Info("the installation's conditions cannot be read and are written anew", "error", err.Error())
	}
	next, turned := r.merge(reported, metav1.Now())
	if len(next) == 0 {
		return nil
	}
	text, err := yaml.Marshal(next)
	if err != nil {
		return err
	}
	if have.Data[ConditionsKey] == string(text) && have.Labels[LabelStatus] == r.Installation.Name {
		return nil
	}
	if err := r.write(ctx, key, string(text)); err != nil {
		return fmt.Errorf("config map %s: %w", key, err)
	}
	for _, c := range turned {
		r.announce(ctx, key, c)
	}
	return nil
}

// merge lays what is known over what was reported. What is not known yet stays as the leader
// before reported it; what is no longer a condition goes. turned are those that have another
// status or reason now.
func (r *Reporter) merge(reported []metav1.Condition, now metav1.Time) (next, turned []metav1.Condition) {
	next = slices.DeleteFunc(slices.Clone(reported), func(c metav1.Condition) bool { return !slices.Contains(r.Conditions.types, c.Type) })
	for _, c := range r.Conditions.known() {
		was := meta.FindStatusCondition(reported, c.Type)
		if was == nil || was.Status != c.Status || was.Reason != c.Reason {
			turned = append(turned, c)
		}
		c.LastTransitionTime = now
		if was != nil && was.Status == c.Status {
			c.LastTransitionTime = was.LastTransitionTime
		}
		meta.SetStatusCondition(&next, c)
	}
	byType := func(a, b metav1.Condition) int { return cmp.Compare(a.Type, b.Type) }
	slices.SortFunc(next, byType)
	slices.SortFunc(turned, byType)
	return next, turned
}

func (r *Reporter) write(ctx context.Context, key client.ObjectKey, text string) error {
	cm := corev1ac.ConfigMap(key.Name, key.Namespace).
		WithLabels(map[string]string{LabelStatus: r.Installation.Name, "app.kubernetes.io/part-of": "vdi-operator"}).
		WithData(map[string]string{ConditionsKey: text})
	owner := &appsv1.Deployment{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: r.Deployment}, owner)
	switch {
	case err == nil:
		cm.WithOwnerReferences(metav1ac.OwnerReference().
			WithAPIVersion(appsv1.SchemeGroupVersion.String()).WithKind("Deployment").WithName(owner.Name).WithUID(owner.UID))
	case !apierrors.IsNotFound(err): // A program that is run by hand has no Deployment.
		return err
	}
	return r.Client.Apply(ctx, cm, reporter, client.ForceOwnership)
}

// announce says in the log and by an Event what a condition has become.
func (r *Reporter) announce(ctx context.Context, key client.ObjectKey, c metav1.Condition) {
	log.FromContext(ctx).Info("a condition of the installation has changed", "type", c.Type, "status", c.Status, "reason", c.Reason,
		"message", c.Message)
	kind := corev1.EventTypeNormal
	if c.Status == metav1.ConditionFalse {
		kind = corev1.EventTypeWarning
	}
	about := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	r.Events.Eventf(about, nil, kind, c.Reason, "Check", "%s", EventNote(fmt.Sprintf("%s is %s: %s", c.Type, c.Status, c.Message)))
}
