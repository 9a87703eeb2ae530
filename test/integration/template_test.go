//go:build integration

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

func statusOf(t *testing.T, template string) v1alpha1.VDITemplateStatus {
	t.Helper()
	now := &v1alpha1.VDITemplate{}
	require.NoError(t, api.Get(t.Context(), client.ObjectKey{Name: template}, now))
	return now.Status
}

// awaitValid waits until a template's condition has this status and reason.
func awaitValid(t *testing.T, template string, status metav1.ConditionStatus, reason string) *metav1.Condition {
	t.Helper()
	var c *metav1.Condition
	eventually.NoError(t, fmt.Sprintf("template %s to be Valid=%s (%s)", template, status, reason), func() error {
		c = meta.FindStatusCondition(statusOf(t, template).Conditions, v1alpha1.ConditionValid)
		if c == nil || c.Status != status || c.Reason != reason {
			return fmt.Errorf("have %+v", c)
		}
		return nil
	})
	return c
}

func awaitSessions(t *testing.T, template string, want v1alpha1.TemplateSessions) {
	t.Helper()
	eventually.NoError(t, "the sessions to be counted", func() error {
		if got := statusOf(t, template).Sessions; got == nil || *got != want {
			return fmt.Errorf("have %+v, want %+v", got, want)
		}
		return nil
	})
}

// writesTo counts how often an object is written from now on.
func writesTo(t *testing.T, template string) (count func() int) {
	t.Helper()
	now := &v1alpha1.VDITemplateList{}
	byName := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", template)}
	require.NoError(t, api.List(t.Context(), now, byName))
	ctx, stop := context.WithCancel(t.Context())
	w, err := api.Watch(ctx, &v1alpha1.VDITemplateList{}, byName, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: now.ResourceVersion}})
	require.NoError(t, err)
	counted := make(chan int, 1)
	go func() {
		n := 0
		for e := range w.ResultChan() {
			if e.Type == watch.Modified {
				n++
			}
		}
		counted <- n
	}()
	return func() int {
		stop()
		w.Stop()
		return <-counted
	}
}

func TestATemplateSaysThatItsPodTemplateIsBadUntilItIsMended(t *testing.T) {
	ns := space(t)
	template := newTemplate(ns)
	template.Spec.PodTemplate = raw(`{"spec":{"nodeSelectr":{"gpu":"yes"}}}`)
	require.NoError(t, api.Create(t.Context(), template))
	said := awaitValid(t, ns, metav1.ConditionFalse, v1alpha1.ReasonInvalidTemplate)
	wantText(t, said.Message, "spec.podTemplate", "nodeSelectr", "kubectl explain pod.spec")
	assert.Nil(t, statusOf(t, ns).LastChange, "nothing was changed yet")
	s := newSession(ns, "ada", ns)
	require.NoError(t, api.Create(t.Context(), s))
	applied := awaitCondition(t, s, v1alpha1.ConditionWorkloadApplied, metav1.ConditionFalse, v1alpha1.ReasonInvalidTemplate)
	assert.Equal(t, said.Message, applied.Message, "a session says it in its template's words")
	awaitPhase(t, s, v1alpha1.PhaseFailed)

	merge(t, template, `{"spec":{"image":"dev.local/desktop:2","podTemplate":null}}`)
	awaitValid(t, ns, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	now := statusOf(t, ns)
	require.NotNil(t, now.LastChange)
	assert.Equal(t, []string{"image", "podTemplate"}, now.LastChange.Fields)
	assert.Equal(t, now.ObservedGeneration, now.LastChange.Generation)
}

func TestATemplatesCountsFollowItsSessions(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	awaitSessions(t, ns, v1alpha1.TemplateSessions{Total: 1, Asleep: 1})
	visit(t, s)
	deployment := rollOut(t, s)
	awaitSessions(t, ns, v1alpha1.TemplateSessions{Total: 1, Awake: 1, Creating: 1})
	pod := startPod(t, s)
	awaitSessions(t, ns, v1alpha1.TemplateSessions{Total: 1, Awake: 1, Running: 1})
	require.NoError(t, api.Delete(t.Context(), s))
	awaitSessions(t, ns, v1alpha1.TemplateSessions{Total: 1, Terminating: 1})
	require.NoError(t, api.Delete(t.Context(), deployment))
	require.NoError(t, api.Delete(t.Context(), pod))
	awaitSessions(t, ns, v1alpha1.TemplateSessions{})
}

func TestATemplateIsWrittenSeldomInAStormAndNotAtRest(t *testing.T) {
	const sessions, storm = 10, 12 * time.Second
	ns := space(t)
	require.NoError(t, api.Create(t.Context(), newTemplate(ns)))
	awaitValid(t, ns, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
	all := make([]*v1alpha1.VDISession, sessions)
	for i := range all {
		all[i] = newSession(ns, fmt.Sprintf("s%d", i), ns)
		all[i].Spec.User = all[i].Name
		require.NoError(t, api.Create(t.Context(), all[i]))
	}
	for _, s := range all {
		awaitPhase(t, s, v1alpha1.PhaseAsleep)
	}
	awaitSessions(t, ns, v1alpha1.TemplateSessions{Total: sessions, Asleep: sessions})
	begin, writes := time.Now(), writesTo(t, ns)
	for i := 0; time.Since(begin) < storm; i++ { // Each write is another phase.
		power := []v1alpha1.Power{v1alpha1.PowerAlwaysOn, v1alpha1.PowerOff}[i/sessions%2]
		require.NoError(t, patchSession(t, all[i%sessions], fmt.Sprintf(`{"spec":{"power":%q}}`, power)))
	}
	for _, s := range all {
		require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	}
	awaitSessions(t, ns, v1alpha1.TemplateSessions{Total: sessions, Awake: sessions, Creating: sessions})
	took, written := time.Since(begin), writes()
	assert.LessOrEqual(t, written, 2+int(took/(5*time.Second)), "writes in %s", took)
	assert.Positive(t, written)

	writes = writesTo(t, ns)
	for _, s := range all { // What is no other phase is no reason to count.
		now := time.Now().UTC().Format(metav1.RFC3339Micro)
		patch := fmt.Sprintf(`{"status":{"activity":{"lastInputTime":%q}}}`, now)
		require.NoError(t, api.Status().Patch(t.Context(), s, client.RawPatch(types.MergePatchType, []byte(patch))))
	}
	time.Sleep(6 * time.Second) // longer than the controller lets sessions settle
	assert.Zero(t, writes(), "writes at rest")
}

func TestWhatTheAPIServerRefusesOfATemplateIsSaidByIt(t *testing.T) {
	in := install(t, cluster, api, "tried")
	in.run(false)
	ns := space(t)
	template := newTemplate(ns)
	template.Spec.Env = []corev1.EnvVar{{Name: "A=B", Value: "x"}}
	require.NoError(t, api.Create(t.Context(), template))
	c := awaitValid(t, ns, metav1.ConditionFalse, v1alpha1.ReasonRefused)
	wantText(t, c.Message, "In installation tried/vdi", ns, ".env[", `"A=B"`, "Correct the field")
	deployments := &appsv1.DeploymentList{}
	require.NoError(t, api.List(t.Context(), deployments, client.InNamespace("tried")))
	assert.Empty(t, deployments.Items, "the trial was made")
	merge(t, template, `{"spec":{"env":[{"name":"A","value":"x"}]}}`)
	awaitValid(t, ns, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
}
