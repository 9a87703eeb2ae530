// Package knativeconfig sets the keys of Knative Serving's configuration that desktops
// need, key by key, by server-side apply under the installation's own field manager:
// in the config maps, or in the KnativeServing that the Knative Operator writes them from.
//
// It promises to repair what gets lost, to give back what it took, and never to fight: a
// key that somebody else sets otherwise stays as they want it, and the installation's
// conditions say so. It needs none of Knative's definitions and keeps nothing in memory
// but what it last claimed, so it works, and says what is missing, on any cluster.
package knativeconfig

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/installation"
)

const (
	// resync is how often all is read although no change of a config map was seen: a claim
	// in a KnativeServing can go without one, while the Knative Operator is down, and a watch
	// may never have been answered. It costs two reads.
	resync = time.Minute
	// retry is how long something that is missing, refused or waited for has until it
	// is tried again, and watchRetry how long a watch that ended.
	retry      = 10 * time.Second
	watchRetry = 5 * time.Second
	// watchSeconds is how long one watch lasts, by the API server, and watchWithin by our own
	// clock: one that has fallen silent without an end is replaced, and the next one begins
	// with all there is.
	watchSeconds = int64(120)
	watchWithin  = 150 * time.Second
	// passTimeout bounds one pass: a request that is never answered must not end all passes.
	passTimeout = time.Minute
)

// Metrics counts what happens to keys.
type Metrics interface {
	// ConfigConflict counts a key that was found to be set otherwise by somebody else.
	ConfigConflict()
	// ConfigCorrected counts a key that had been taken away and was set again.
	ConfigCorrected()
}

// Conditions takes the condition v1alpha1.ConditionKnativeConfigured.
type Conditions interface {
	Set(conditionType string, status metav1.ConditionStatus, reason, message string)
}

// Reconciler keeps Knative's configuration as desktops need it.
type Reconciler struct {
	// Client reads what is there now, not a cache.
	Client client.WithWatch
	// Namespace is Knative Serving's.
	Namespace string
	// Manager is the installation's FieldManager.
	Manager client.FieldOwner
	// Apply sets what is not as needed; otherwise it is only reported.
	Apply      bool
	Events     events.EventRecorder
	Metrics    Metrics
	Conditions Conditions

	// held are the keys that were last claimed, by place and config map; reported the conflicts that were
	// last reported.
	held     map[string]map[string]map[string]string
	reported map[string]bool
}

var _ manager.Runnable = (*Reconciler)(nil)

// +kubebuilder:rbac:groups="",resources=configmaps,namespace=knative-serving,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=configmaps,namespace=knative-serving,resourceNames=config-features;config-autoscaler,verbs=patch
// +kubebuilder:rbac:groups=operator.knative.dev,resources=knativeservings,namespace=knative-serving,verbs=get;list;patch
// +kubebuilder:rbac:groups="";events.k8s.io,resources=events,namespace=knative-serving,verbs=create;patch

// Start implements manager.Runnable, which the manager runs in the leader alone: it reconciles at
// once, at each change of the config maps, and at intervals while something is wrong. It reports and awaits a namespace that it may
// not read, or that is missing; an informer would end the program.
func (r *Reconciler) Start(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	var watching sync.WaitGroup
	watching.Go(func() {
		wait.UntilWithContext(ctx, func(ctx context.Context) { r.watch(ctx, changed) }, watchRetry)
	})
	defer watching.Wait()
	for {
		again := r.reconcile(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-time.After(again):
		}
	}
}

// watch says that a config map has changed, at its start, and whenever it may have missed
// a change.
func (r *Reconciler) watch(ctx context.Context, changed chan<- struct{}) {
	ctx, cancel := context.WithTimeout(ctx, watchWithin)
	defer cancel()
	w, err := r.Client.Watch(ctx, &corev1.ConfigMapList{}, &client.ListOptions{
		Namespace: r.Namespace, Raw: &metav1.ListOptions{TimeoutSeconds: new(watchSeconds)}})
	if err != nil {
		log.FromContext(ctx).V(1).Info("Knative's config maps cannot be watched", "namespace", r.Namespace, "error", err.Error())
		return
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		cm, ok := e.Object.(*corev1.ConfigMap)
		if !ok || !slices.ContainsFunc(requirements, func(r requirement) bool { return r.configMap == cm.Name }) {
			continue
		}
		select {
		case changed <- struct{}{}:
		default: // The next pass sees this change too.
		}
	}
}

// reconcile sets the condition. It returns when to come back.
func (r *Reconciler) reconcile(ctx context.Context) time.Duration {
	bounded, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	v := r.settleAll(bounded)
	if ctx.Err() != nil {
		return 0
	}
	r.Conditions.Set(v1alpha1.ConditionKnativeConfigured, v.status, v.reason, v.message)
	return v.again
}

// settleAll sets what is due in every place.
func (r *Reconciler) settleAll(ctx context.Context) verdict {
	configMaps := map[string]*unstructured.Unstructured{}
	for _, need := range requirements {
		cm, err := get(ctx, r.Client, configMapKind, r.Namespace, need.configMap)
		if err != nil {
			return r.unreadable("config map "+need.configMap, err)
		}
		configMaps[need.configMap] = cm
	}
	places, serving, err := r.places(ctx, configMaps)
	if err != nil {
		return r.unreadable("KnativeServing "+serving, err)
	}
	r.forgetAllBut(places)
	var result plan
	for _, p := range places {
		settled, err := r.settle(ctx, p)
		if err != nil {
			return failed(p, err)
		}
		result.unmet = append(result.unmet, settled.unmet...)
		result.conflicts = append(result.conflicts, settled.conflicts...)
	}
	r.report(ctx, places, result.conflicts)
	if r.Apply {
		if err := r.handOver(ctx, configMaps); err != nil {
			return failed(places[0], err)
		}
	}
	if !r.Apply || serving == "" {
		return result.verdict(r.Apply, places)
	}
	return result.verdict(true, places).unlessWaiting(configMaps, result.conflicts, serving)
}

// places are where keys are set; serving is the Knative Operator's resource, if it wrote
// the config maps.
func (r *Reconciler) places(ctx context.Context, configMaps map[string]*unstructured.Unstructured) (places []place, serving string,
	err error) {
	for _, need := range requirements {
		if name := writer(configMaps[need.configMap]); name != "" {
			o, err := get(ctx, r.Client, knativeServingKind, r.Namespace, name)
			return []place{{object: o, requirements: requirements}}, name, err
		}
	}
	for _, need := range requirements {
		places = append(places, place{object: configMaps[need.configMap], requirements: []requirement{need}})
	}
	return places, "", nil
}

// settle does in one place what is due there.
func (r *Reconciler) settle(ctx context.Context, p place) (plan, error) {
	all, err := p.owners()
	if err != nil {
		return plan{}, err
	}
	s := decide(p, all, r.Manager)
	if !r.Apply {
		return s, nil
	}
	if !s.due {
		r.hold(p, s)
		return s, nil
	}
	if err := p.apply(ctx, r.Client, r.Manager, s.claim); err != nil {
		return s, err
	}
	var set, corrected []string
	for _, f := range s.unmet {
		if _, claimed := s.claim[f.configMap][f.key]; !claimed {
			continue
		}
		set = append(set, f.key)
		if _, held := r.held[p.String()][f.configMap][f.key]; held {
			corrected = append(corrected, f.key)
			r.Metrics.ConfigCorrected()
		}
	}
	log.FromContext(ctx).Info("claimed what desktops need in Knative's configuration", "object", p.String(), "set", set, "setAgain", corrected)
	if len(corrected) > 0 {
		r.Events.Eventf(p.object, nil, corev1.EventTypeWarning, v1alpha1.EventConfigRestored, "Apply", "%s", installation.EventNote(
			"Somebody had taken away what desktops need, and it was set again: "+strings.Join(corrected, ", ")))
	}
	r.hold(p, s)
	return s, nil
}

// hold remembers what is claimed, so that its loss is known for one.
func (r *Reconciler) hold(p place, s plan) {
	if r.held == nil {
		r.held = map[string]map[string]map[string]string{}
	}
	r.held[p.String()] = s.claim
}

// forgetAllBut forgets what is claimed elsewhere: when the Knative Operator takes over
// the config maps or leaves them, nobody has taken anything away.
func (r *Reconciler) forgetAllBut(places []place) {
	maps.DeleteFunc(r.held, func(name string, _ map[string]map[string]string) bool {
		return !slices.ContainsFunc(places, func(p place) bool { return p.String() == name })
	})
}

// handOver gives up what installations claimed before each had a manager of its own, all
// of it in config maps. It comes after the claim under our own, so no key is lost; should
// another installation of that time need one when ours goes, it sets it again. Where the
// Knative Operator writes the config maps, it puts back at once what it finds missing.
func (r *Reconciler) handOver(ctx context.Context, configMaps map[string]*unstructured.Unstructured) error {
	for _, need := range requirements {
		p := place{object: configMaps[need.configMap]}
		given, err := p.release(ctx, r.Client, formerManager)
		if err != nil {
			return err
		}
		if given {
			log.FromContext(ctx).Info("gave up the claim of an earlier version", "object", p.String(), "manager", formerManager)
		}
	}
	return nil
}

// report announces each conflict once, and anew after it was gone or has changed.
func (r *Reconciler) report(ctx context.Context, places []place, conflicts []conflict) {
	now := map[string]bool{}
	for _, c := range conflicts {
		text := c.String()
		now[text] = true
		if r.reported[text] {
			continue
		}
		r.Metrics.ConfigConflict()
		log.FromContext(ctx).Info("Knative's configuration is in conflict with what desktops need", "conflict", text)
		r.Events.Eventf(holder(places, c.configMap), nil, corev1.EventTypeWarning, v1alpha1.EventConfigConflict, "Apply", "%s",
			installation.EventNote(text+". "+conflictRemedy))
	}
	r.reported = now
}

// holder is the object in which a config map's keys are set.
func holder(places []place, configMap string) *unstructured.Unstructured {
	i := slices.IndexFunc(places, func(p place) bool {
		return slices.ContainsFunc(p.requirements, func(r requirement) bool { return r.configMap == configMap })
	})
	return places[max(i, 0)].object
}

func (r *Reconciler) unreadable(what string, err error) verdict {
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return verdict{metav1.ConditionFalse, v1alpha1.ReasonNotFound, fmt.Sprintf(
			"%s is not in namespace %s: install Knative Serving there, or name its namespace in knative.namespace.", what, r.Namespace), retry}
	case apierrors.IsForbidden(err):
		// With the rights of a namespace alone (rbac.clusterScoped=false) that is meant.
		return verdict{metav1.ConditionUnknown, v1alpha1.ReasonForbidden, fmt.Sprintf(
			"The operator may not read %s in namespace %s. With rbac.clusterScoped=false an administrator of the cluster sets its keys; "+
				"otherwise helm upgrade writes the operator's Role there anew. %v", what, r.Namespace, err), retry}
	}
	return verdict{metav1.ConditionUnknown, v1alpha1.ReasonUnreadable, fmt.Sprintf("%s in namespace %s: %v", what, r.Namespace, err), retry}
}
