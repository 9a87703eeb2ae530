package template

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	// sample names the session that a template is tried with: no session can have the name.
	sample = "sample--session"
	// askAgain is when the API server is asked again about a template that it refused or
	// could not be asked about: a quota, a webhook or Knative's features may have changed.
	askAgain = 30 * time.Second
	// longestMessage is what a condition keeps of an error, in bytes; one may name
	// everything that is wrong with a large podTemplate.
	longestMessage = 2048
)

// verdict is whether an installation can make a desktop of a template.
type verdict struct {
	valid           metav1.ConditionStatus
	reason, message string
}

// trial is what the API server said of a template's workload.
type trial struct {
	hash string
	at   time.Time
	verdict
}

// judge says whether a desktop can be made of a template, of which shape it would be, and when
// that may have changed unseen; 0 is never.
func (r *Reconciler) judge(ctx context.Context, t *v1alpha1.VDITemplate) (verdict, workload.Shape, time.Duration) {
	shape, asked, err := render(r.Config, t)
	if err != nil {
		return invalid(v1alpha1.ReasonInvalidTemplate, err.Error()), shape, 0
	}
	last, known := r.trials[t.Name]
	now := r.Now()
	if !known || last.hash != asked.Hash() || last.reason != v1alpha1.ReasonAccepted && now.Sub(last.at) >= askAgain {
		last = trial{hash: asked.Hash(), at: now, verdict: r.heard(ctx, asked.Ask(ctx, r.Client), t)}
		r.remember(t.Name, last)
	}
	if last.reason == v1alpha1.ReasonAccepted {
		return last.verdict, shape, 0
	}
	return last.verdict, shape, askAgain
}

// render makes shape and workload of a session that leaves everything to its template.
func render(cfg config.Config, t *v1alpha1.VDITemplate) (workload.Shape, workload.Trial, error) {
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Name: sample, Namespace: where(cfg)},
		Spec: v1alpha1.VDISessionSpec{User: sample, Template: t.Name}}
	policy := lifecycle.Resolve(cfg.Sessions.Lifecycle, t.Spec.Lifecycle, &s.Spec)
	shape, err := workload.Build(cfg, t, s, policy.StartupTimeout.OrZero())
	if err != nil {
		return shape, workload.Trial{}, err
	}
	trial, err := workload.NewTrial(cfg, shape)
	return shape, trial, err
}

func (r *Reconciler) remember(name string, last trial) {
	if r.trials == nil {
		r.trials = map[string]trial{}
	}
	r.trials[name] = last
}

// where is a namespace in which this installation may make desktops.
func where(cfg config.Config) string {
	if len(cfg.Namespaces) > 0 {
		return cfg.Namespaces[0]
	}
	return cfg.Installation.Namespace
}

// heard is the verdict on a template of whose workload the API server said err.
func (r *Reconciler) heard(ctx context.Context, err error, t *v1alpha1.VDITemplate) verdict {
	switch {
	case err == nil:
		return verdict{valid: metav1.ConditionTrue, reason: v1alpha1.ReasonAccepted}
	case (apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)) && !undecided(err):
		return invalid(v1alpha1.ReasonRefused, fmt.Sprintf("The API server would refuse a desktop of template %q in namespace %q: %s. "+
			"Correct the field of the template's spec that this comes from; most of a pod is set by spec.podTemplate.", t.Name, where(r.Config), said(err)))
	case lasts(err), undecided(err):
		return verdict{metav1.ConditionTrue, v1alpha1.ReasonNotTried, cut(fmt.Sprintf("A pod can be made of the template. Whether the API "+
			"server accepts it is not known: %s", err))}
	}
	// The text of an error that passes is another each time, and what was known still holds.
	if e := entry(&t.Status, Name(r.Config.Installation)); e != nil && e.ObservedGeneration == t.Generation {
		return verdict{e.Valid, e.Reason, e.Message}
	}
	ctrl.LoggerFrom(ctx).Info("the API server could not be asked about a template", "retryAfter", askAgain.String(), "error", err.Error())
	return verdict{metav1.ConditionTrue, v1alpha1.ReasonNotTried, "A pod can be made of the template. The API server could not be asked " +
		"whether it accepts it; it is asked again soon."}
}

// lasts says that asking again at once would bring the same error: a right, a namespace or
// a definition is missing, or a quota is full.
func lasts(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) || meta.IsNoMatchError(err)
}

// noDryRun is how the API server refuses a dry run that a webhook with side effects would be
// asked about (apiserver v0.35, admission/plugin/webhook/errors/statuserror.go).
const noDryRun = "does not support dry run"

// undecided says that only the dry run was refused.
func undecided(err error) bool { return strings.Contains(err.Error(), noDryRun) }

func invalid(reason, message string) verdict {
	return verdict{metav1.ConditionFalse, reason, cut(message)}
}

// said is an error of the API server without the sample's name: the fields of the pod and
// what is wrong with each, where it names any.
func said(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err.Error()
	}
	var fields []string
	if d := status.Status().Details; d != nil {
		for _, c := range d.Causes {
			if c.Field != "" {
				fields = append(fields, strings.TrimPrefix(c.Field, "spec.template.")+": "+c.Message)
			}
		}
	}
	if len(fields) == 0 {
		return strings.TrimSuffix(status.Status().Message, ".")
	}
	slices.Sort(fields)
	return strings.Join(slices.Compact(fields), "; ")
}

func cut(message string) string {
	if len(message) <= longestMessage {
		return message
	}
	return strings.ToValidUTF8(message[:longestMessage], "") + "…"
}
