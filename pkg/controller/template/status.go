package template

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/session"
)

// specHashLength keeps 48 bits of a field's hash: it only has to differ from the one before.
const specHashLength = 12

// Name is what an installation's entry in a template's status is called.
func Name(i config.Installation) string { return i.String() }

// count counts the template's sessions that this installation serves.
func (r *Reconciler) count(ctx context.Context, t *v1alpha1.VDITemplate) (n v1alpha1.TemplateSessions, err error) {
	list := &v1alpha1.VDISessionList{}
	if err := r.Client.List(ctx, list, client.MatchingFields{session.IndexTemplate: t.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return n, err
	}
	for i := range list.Items {
		n.Total++
		switch list.Items[i].Status.Phase {
		case v1alpha1.PhaseCreating:
			n.Creating++
			n.Awake++
		case v1alpha1.PhaseRunning:
			n.Running++
			n.Awake++
		case v1alpha1.PhaseDozing:
			n.Dozing++
			n.Awake++
		case v1alpha1.PhaseAsleep:
			n.Asleep++
		case v1alpha1.PhaseFailed:
			n.Failed++
		case v1alpha1.PhaseTerminating:
			n.Terminating++
		default:
			n.Pending++
		}
	}
	return n, nil
}

// add is the sum of two counts.
func add(a, b v1alpha1.TemplateSessions) v1alpha1.TemplateSessions {
	return v1alpha1.TemplateSessions{
		Total: a.Total + b.Total, Awake: a.Awake + b.Awake, Pending: a.Pending + b.Pending, Creating: a.Creating + b.Creating,
		Running: a.Running + b.Running, Dozing: a.Dozing + b.Dozing, Asleep: a.Asleep + b.Asleep, Failed: a.Failed + b.Failed, Terminating: a.Terminating + b.Terminating,
	}
}

// sumPrePull is what installations keep on nodes; nil where none does. Each keeps it for itself, so
// a node counts for each.
func sumPrePull(installations []v1alpha1.TemplateInstallation) *v1alpha1.TemplatePrePull {
	var sum *v1alpha1.TemplatePrePull
	for _, e := range installations {
		if e.PrePull == nil {
			continue
		}
		if sum == nil {
			sum = &v1alpha1.TemplatePrePull{}
		}
		sum.Desired += e.PrePull.Desired
		sum.Ready += e.PrePull.Ready
		if sum.Message == "" {
			sum.Message = by(e.Name, e.PrePull.Message, len(installations))
		}
	}
	return sum
}

// sumWarmPool is what installations have waiting; nil where none has. Its reason is that of one whose
// pools are not full, where one's are not.
func sumWarmPool(installations []v1alpha1.TemplateInstallation) *v1alpha1.TemplateWarmPool {
	var sum *v1alpha1.TemplateWarmPool
	for _, e := range installations {
		w := e.WarmPool
		if w == nil {
			continue
		}
		if sum == nil {
			sum = &v1alpha1.TemplateWarmPool{Reason: w.Reason}
		}
		sum.Desired += w.Desired
		sum.Ready += w.Ready
		sum.Dozing += w.Dozing
		sum.Claimed += w.Claimed
		if sum.Message == "" && w.Message != "" {
			sum.Reason, sum.Message = w.Reason, by(e.Name, w.Message, len(installations))
		}
	}
	return sum
}

// warmPoolReady says by a condition whether all wait that are to.
func warmPoolReady(t *v1alpha1.VDITemplate, now time.Time) {
	w := t.Status.WarmPool
	if w == nil || t.Spec.WarmPool == nil {
		meta.RemoveStatusCondition(&t.Status.Conditions, v1alpha1.ConditionWarmPoolReady)
		return
	}
	is := metav1.ConditionTrue
	if w.Reason != v1alpha1.ReasonReady {
		is = metav1.ConditionFalse
	}
	meta.SetStatusCondition(&t.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionWarmPoolReady, Status: is, Reason: w.Reason,
		Message: w.Message, ObservedGeneration: t.Generation, LastTransitionTime: metav1.NewTime(now)})
}

// by names the installation that says something, where there are several.
func by(name, message string, installations int) string {
	if message == "" || installations == 1 {
		return message
	}
	return "In installation " + name + ": " + message
}

// noteChange records which fields of spec changed since the generation that was seen last.
func noteChange(t *v1alpha1.VDITemplate, now time.Time) {
	st := &t.Status
	if st.ObservedGeneration == t.Generation {
		return
	}
	hashes, before := specHashes(&t.Spec), st.SpecHashes
	st.ObservedGeneration, st.SpecHashes = t.Generation, hashes
	if before == nil {
		return
	}
	var changed []string
	for field := range union(before, hashes) {
		if before[field] != hashes[field] {
			changed = append(changed, field)
		}
	}
	if len(changed) > 0 {
		slices.Sort(changed)
		st.LastChange = &v1alpha1.TemplateChange{Generation: t.Generation, Time: metav1.NewTime(now), Fields: changed}
	}
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// specHashes has a hash of each field of a spec that is set.
func specHashes(spec *v1alpha1.VDITemplateSpec) map[string]string {
	fields, hashes := map[string]json.RawMessage{}, map[string]string{}
	raw, err := json.Marshal(spec)
	if err = errors.Join(err, json.Unmarshal(raw, &fields)); err != nil {
		return hashes // It came as JSON.
	}
	for field, value := range fields {
		hashes[field] = fmt.Sprintf("%x", sha256.Sum256(value))[:specHashLength]
	}
	return hashes
}

// entry is an installation's entry; nil where it has none.
func entry(st *v1alpha1.VDITemplateStatus, name string) *v1alpha1.TemplateInstallation {
	for i := range st.Installations {
		if st.Installations[i].Name == name {
			return &st.Installations[i]
		}
	}
	return nil
}

// setEntry puts an installation's entry into its place, by name.
func setEntry(st *v1alpha1.VDITemplateStatus, e v1alpha1.TemplateInstallation) {
	at, found := slices.BinarySearchFunc(st.Installations, e.Name, func(e v1alpha1.TemplateInstallation, name string) int {
		return strings.Compare(e.Name, name)
	})
	if found {
		st.Installations[at] = e
		return
	}
	st.Installations = slices.Insert(st.Installations, at, e)
}

// summarise derives from the entries what holds for the cluster. Each installation comes to
// the same, so that none undoes another's.
func summarise(t *v1alpha1.VDITemplate, now time.Time) {
	st := &t.Status
	st.Sessions, st.PrePull, st.WarmPool = &v1alpha1.TemplateSessions{}, sumPrePull(st.Installations), sumWarmPool(st.Installations)
	warmPoolReady(t, now)
	var current []v1alpha1.TemplateInstallation
	for _, e := range st.Installations {
		*st.Sessions = add(*st.Sessions, e.Sessions)
		// What an installation said of an earlier generation was said of another template.
		if e.ObservedGeneration == t.Generation {
			current = append(current, e)
		}
	}
	if len(current) == 0 {
		meta.RemoveStatusCondition(&st.Conditions, v1alpha1.ConditionValid)
		return
	}
	worst := slices.MinFunc(current, func(a, b v1alpha1.TemplateInstallation) int { return cmp.Compare(rank(a), rank(b)) })
	meta.SetStatusCondition(&st.Conditions, metav1.Condition{Type: v1alpha1.ConditionValid, Status: worst.Valid, Reason: worst.Reason,
		Message: by(worst.Name, worst.Message, len(current)), ObservedGeneration: t.Generation, LastTransitionTime: metav1.NewTime(now)})
}

// rank puts the installation first that has most to say.
func rank(e v1alpha1.TemplateInstallation) int {
	switch {
	case e.Valid != metav1.ConditionTrue:
		return 0
	case e.Reason != v1alpha1.ReasonAccepted:
		return 1
	}
	return 2
}
