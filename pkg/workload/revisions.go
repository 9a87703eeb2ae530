package workload

import (
	"context"
	"errors"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"knative.dev/serving/pkg/apis/serving"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// revisions are the deployments that Knative made for the session, by their revisions'
// names.
func (k *Knative) revisions(ctx context.Context, c client.Reader, s *v1alpha1.VDISession) (map[string]*appsv1.Deployment, error) {
	list := &appsv1.DeploymentList{}
	if err := c.List(ctx, list, client.InNamespace(s.Namespace), client.MatchingLabels{v1alpha1.LabelSession: s.Name}); err != nil {
		return nil, err
	}
	all := map[string]*appsv1.Deployment{}
	for i := range list.Items {
		if d := &list.Items[i]; ofRevision(d) { // one that is being deleted may have a pod, too
			all[d.Labels[serving.RevisionLabelKey]] = d
		}
	}
	return all, nil
}

// running is the deployment that is to have a pod; of several, the first that was made.
func running(revisions map[string]*appsv1.Deployment) *appsv1.Deployment {
	var first *appsv1.Deployment
	for _, d := range revisions {
		if Replicas(d) > 0 && (first == nil || d.CreationTimestamp.Before(&first.CreationTimestamp)) {
			first = d
		}
	}
	return first
}

// Scale implements Workload. After a change two revisions exist, and one at most may have the
// desktop's GPU and home: while the desktop is live the one that it runs on, and else the newest.
func (k *Knative) Scale(ctx context.Context, s *v1alpha1.VDISession, awake bool, live Live) (bool, error) {
	revisions, err := k.revisions(ctx, k.Client, s)
	if err != nil || len(revisions) == 0 {
		return false, err
	}
	if runs := running(revisions); runs != nil {
		if awake {
			if err := giveWay(ctx, k.Client, k.API, s, runs); err != nil {
				return false, err
			}
		}
		switch live, err := live(ctx); {
		case err != nil, live && !awake:
			return false, err
		case live:
			return k.stopAllBut(ctx, revisions, runs.Labels[serving.RevisionLabelKey])
		}
	}
	if !awake {
		return k.stopAllBut(ctx, revisions, "")
	}
	service := &servingv1.Service{}
	if has, err := own(ctx, k.Client, s, service); err != nil || !has {
		return false, err
	}
	newest := newestRevision(service)
	if written, ok := k.written.Load(s.UID); ok && service.Generation < written.(int64) {
		newest = "" // of a Service that the cache does not have yet
	}
	if revisions[newest] == nil {
		// Its event brings us back. What is stuck has nothing to lose.
		return k.stopAllBut(ctx, revisions, "")
	}
	if len(revisions) > 1 {
		// The cache may not know yet which of them was scaled a moment ago.
		if revisions, err = k.revisions(ctx, k.API, s); err != nil {
			return false, err
		}
		if running(revisions) != nil {
			if live, err := live(ctx); err != nil || live {
				return false, err
			}
		}
	}
	if stops, err := k.stopAllBut(ctx, revisions, newest); err != nil || stops || revisions[newest] == nil || !allStopped(revisions, newest) {
		return stops, err // their events bring us back
	}
	return start(ctx, k.Client, s, revisions[newest])
}

// allStopped says that none can have a pod but the named one.
func allStopped(revisions map[string]*appsv1.Deployment, name string) bool {
	for revision, d := range revisions {
		if revision != name && !stopped(d) {
			return false
		}
	}
	return true
}

// stopAllBut scales every revision to zero but the named one.
func (k *Knative) stopAllBut(ctx context.Context, revisions map[string]*appsv1.Deployment, name string) (stopped bool, err error) {
	for _, revision := range slices.Sorted(maps.Keys(revisions)) {
		if revision == name {
			continue
		}
		scaled, failed := scaleDeployment(ctx, k.Client, revisions[revision], 0)
		stopped, err = stopped || scaled, errors.Join(err, failed)
	}
	return stopped, err
}

// configurationBehind is the reason that Knative gives while a Service's status
// speaks of an older generation (serving v0.50.0, service_lifecycle.go:85).
const configurationBehind = "OutOfDate"

// newestRevision is the revision that Knative made of the Service as it stands; empty while
// Knative has not caught up with a change.
func newestRevision(s *servingv1.Service) string {
	if s.Generation != s.Status.ObservedGeneration {
		return ""
	}
	c := s.Status.GetCondition(servingv1.ServiceConditionConfigurationsReady)
	if c == nil || (c.IsUnknown() && c.Reason == configurationBehind) {
		return ""
	}
	return s.Status.LatestCreatedRevisionName
}
