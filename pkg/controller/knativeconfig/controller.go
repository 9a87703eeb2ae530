// Package knativeconfig sets the keys of Knative Serving's config maps that desktops
// need, key by key, by server-side apply under this product's own field manager.
//
// It promises to repair what gets lost and never to fight: a key that somebody else
// sets otherwise stays as they want it, and the operator says so.
package knativeconfig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

const (
	// FieldManager owns the keys that this package sets.
	FieldManager = client.FieldOwner("vdi-operator")

	// missingRetry is how often a config map that is not there is looked for,
	// conflictRetry how often a key that somebody else sets is tried again.
	missingRetry  = 30 * time.Second
	conflictRetry = 10 * time.Minute
)

// Metrics counts conflicts.
type Metrics interface{ ConfigConflict() }

// Reconciler keeps Knative's config maps as desktops need them.
type Reconciler struct {
	Client client.Client
	// Namespace is Knative Serving's.
	Namespace string
	Events    events.EventRecorder
	Metrics   Metrics

	mu sync.Mutex
	// told is, by config map, the conflict that was last told.
	told map[string]string
}

// +kubebuilder:rbac:groups="",resources=configmaps,namespace=knative-serving,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=configmaps,namespace=knative-serving,resourceNames=config-features;config-autoscaler,verbs=patch

// Reconcile sets the keys of one config map.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	need, ok := requirementOf(req.Name)
	if !ok {
		return ctrl.Result{}, nil
	}
	cm := &corev1.ConfigMap{}
	err := r.Client.Get(ctx, req.NamespacedName, cm)
	if apierrors.IsNotFound(err) {
		log.FromContext(ctx).Info("Knative's configuration is not there: install Knative Serving, or name its namespace in knative.namespace; desktops need it",
			"configMap", req.String(), "retryAfter", missingRetry)
		return ctrl.Result{RequeueAfter: missingRetry}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	unmet := need.unmet(cm.Data)
	if len(unmet) == 0 {
		r.tell(ctx, cm, nil)
		return ctrl.Result{}, nil
	}
	conflicts, err := r.apply(ctx, need, cm)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("set %s in %s: %w", strings.Join(unmet, ", "), req, err)
	}
	r.tell(ctx, cm, conflicts)
	if len(conflicts) > 0 {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	}
	log.FromContext(ctx).Info("set what desktops need in Knative's configuration", "configMap", req.String(), "keys", unmet)
	return ctrl.Result{}, nil
}

// apply claims the keys. Those that somebody else sets otherwise are returned in
// words, and the others are applied without them.
func (r *Reconciler) apply(ctx context.Context, need requirement, cm *corev1.ConfigMap) (conflicts []string, err error) {
	var without []string
	for {
		claim := corev1ac.ConfigMap(cm.Name, cm.Namespace).WithData(need.apply(cm.Data, without))
		err := r.Client.Apply(ctx, claim, FieldManager)
		taken, words := conflictingKeys(err, need)
		if len(taken) == 0 || slices.Contains(without, taken[0]) {
			return conflicts, err
		}
		without, conflicts = append(without, taken...), append(conflicts, words...)
	}
}

// conflictingKeys reads which keys an apply met another manager at.
func conflictingKeys(err error, need requirement) (keys, words []string) {
	var status apierrors.APIStatus
	if !apierrors.IsConflict(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil, nil
	}
	for _, cause := range status.Status().Details.Causes {
		key := strings.TrimPrefix(cause.Field, ".data.")
		if _, ours := need.data[key]; ours && cause.Type == metav1.CauseTypeFieldManagerConflict {
			keys, words = append(keys, key), append(words, fmt.Sprintf("%s (%s)", key, cause.Message))
		}
	}
	return keys, words
}

// tell says once what is in conflict, and again when that changes.
func (r *Reconciler) tell(ctx context.Context, cm *corev1.ConfigMap, conflicts []string) {
	text := strings.Join(conflicts, "; ")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told == nil {
		r.told = map[string]string{}
	}
	if r.told[cm.Name] == text {
		return
	}
	r.told[cm.Name] = text
	if text == "" {
		return
	}
	for range conflicts {
		r.Metrics.ConfigConflict()
	}
	message := fmt.Sprintf("Desktops need other values here, and somebody else sets these keys: %s. Let that owner set them as the operator's documentation says, or set knative.applyConfig to false.", text)
	log.FromContext(ctx).Info("Knative's configuration is in conflict with what desktops need", "configMap", cm.Name, "conflicts", conflicts)
	r.Events.Eventf(cm, nil, corev1.EventTypeWarning, "ConfigConflict", "Apply", "%s", message)
}

// SetupWithManager starts the controller together with the manager. Both config maps
// are looked at once even if they are not there, so that somebody says so.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	wanted := predicate.NewPredicateFuncs(func(o client.Object) bool {
		_, ok := requirementOf(o.GetName())
		return ok && o.GetNamespace() == r.Namespace
	})
	first := make(chan event.GenericEvent, len(requirements))
	for _, need := range requirements {
		first <- event.GenericEvent{Object: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: need.name, Namespace: r.Namespace}}}
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("knativeconfig").
		For(&corev1.ConfigMap{}, builder.WithPredicates(wanted)).
		WatchesRawSource(source.Channel(first, &handler.EnqueueRequestForObject{})).
		Complete(r)
}
