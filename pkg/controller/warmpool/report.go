package warmpool

import (
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/workload"
)

// report is what there is to say of a template's pools together, and when to look at them again.
type report struct {
	v1alpha1.TemplateWarmPool
	again time.Time
}

// returnAt asks to look again at t, or earlier if asked before.
func (r *report) returnAt(t time.Time) {
	if !t.IsZero() && (r.again.IsZero() || t.Before(r.again)) {
		r.again = t
	}
}

// because says why a pool is not full; what was said first of several stays.
func (r *report) because(reason, message string) {
	if r.Message == "" {
		r.Reason, r.Message = reason, message
	}
}

// of says how one pool stands.
func (r *report) of(p pool, plan plan, refused refusal, paused paused) {
	switch {
	case len(plan.ready) >= p.replicas:
	case p.sessionsFirst:
		r.because(v1alpha1.ReasonSessionsFirst, "Sessions wait for a GPU, and desktops of the pool come after them.")
	case refused.message != "":
		r.because(v1alpha1.ReasonRefused, refused.message)
	case paused.fewer > 0:
		r.because(v1alpha1.ReasonNodeNeedsRoom, paused.says())
	default:
		r.because(v1alpha1.ReasonRefilling, starts(plan.starting))
	}
}

// starts says what keeps a pod from being ready.
func starts(starting []*corev1.Pod) string {
	for _, pod := range starting {
		if progress := workload.PoolProgress(pod); progress.Stuck {
			return fmt.Sprintf("Pod %s in namespace %s: %s", pod.Name, pod.Namespace, progress.Message)
		}
	}
	return "Desktops of the pool start."
}

// say keeps what there is to say of a template, and brings it to who asks where it is new.
func (r *Reconciler) say(t *v1alpha1.VDITemplate, said report) {
	if said.Reason == "" {
		said.Reason = v1alpha1.ReasonReady
	}
	r.mu.Lock()
	was, had := r.reports[t.Name]
	has := t.Spec.WarmPool != nil || said.Claimed > 0
	switch {
	case has && r.reports == nil:
		r.reports = map[string]v1alpha1.TemplateWarmPool{t.Name: said.TemplateWarmPool}
	case has:
		r.reports[t.Name] = said.TemplateWarmPool
	default:
		delete(r.reports, t.Name)
	}
	changed := r.changed
	r.mu.Unlock()
	if had != has || was != said.TemplateWarmPool && has {
		select {
		case changed <- event.TypedGenericEvent[string]{Object: t.Name}:
		default: // whoever reads is far behind, and reads all that there is
		}
	}
}

// Report is how a template's pools stand; nil where it has none.
func (r *Reconciler) Report(template string) *v1alpha1.TemplateWarmPool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if is, has := r.reports[template]; has {
		return &is
	}
	return nil
}

// Reports are those of all templates, by name.
func (r *Reconciler) Reports() map[string]v1alpha1.TemplateWarmPool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.reports)
}

// Changed brings the templates whose report has changed to its only caller.
func (r *Reconciler) Changed() <-chan event.TypedGenericEvent[string] {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = make(chan event.TypedGenericEvent[string], reportsWaiting)
	return r.changed
}

// refusedBy is the label of a refusal in metrics.
func refusedBy(err error) string {
	switch {
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		return metrics.PoolRefusedQuota
	case apierrors.IsForbidden(err):
		return metrics.PoolRefusedPolicy
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return metrics.PoolRefusedInvalid
	}
	return metrics.PoolRefusedOther
}
