//go:build integration

package integration

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestAnAccessPolicyComesWithTheNextWakeAndTheSessionSaysHowFarItIsEnforced(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	require.Nil(t, get(t, s).Status.Access)
	require.Nil(t, meta.FindStatusCondition(get(t, s).Status.Conditions, v1alpha1.ConditionAccessEnforced), "there is no policy")

	template := newTemplate(ns)
	merge(t, template, `{"spec":{"streaming":{"protocol":"Selkies2WebRTC"},"access":{"clipboard":"ToDesktop","microphone":false}}}`)
	c := awaitCondition(t, s, v1alpha1.ConditionAccessEnforced, metav1.ConditionFalse, v1alpha1.ReasonImageAlone)
	wantText(t, c.Message, "image alone", "clipboard, microphone")
	policy := get(t, s).Status.Access
	require.NotNil(t, policy)
	assert.Equal(t, v1alpha1.ClipboardToDesktop, policy.Clipboard)
	assert.Equal(t, v1alpha1.FilesBoth, policy.Files, "the API server fills in what is not said")

	woken(t, s)
	variables := func() map[string]string {
		said := map[string]string{}
		for _, c := range knativeService(t, s).Spec.Template.Spec.Containers {
			for _, e := range c.Env {
				said[e.Name] = e.Value
			}
		}
		return said
	}
	assert.Equal(t, "in", variables()["SELKIES_ENABLE_CLIPBOARD"])
	assert.Equal(t, "false|locked", variables()["SELKIES_MICROPHONE_ENABLED"])
	startPod(t, s)
	awaitPhase(t, s, v1alpha1.PhaseRunning)

	merge(t, template, `{"spec":{"access":{"clipboard":"None"}}}`)
	awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSleep)
	assert.Equal(t, v1alpha1.ClipboardToDesktop, get(t, s).Status.Access.Clipboard, "a desktop in use keeps the policy that it woke with")
	assert.Equal(t, "in", variables()["SELKIES_ENABLE_CLIPBOARD"])
}

func TestATemplateWhoseEnvContradictsItsAccessPolicyIsNotValid(t *testing.T) {
	template := newTemplate(space(t))
	template.Spec.Access = &v1alpha1.AccessPolicy{Clipboard: v1alpha1.ClipboardNone}
	template.Spec.Env = []corev1.EnvVar{{Name: "SELKIES_ENABLE_CLIPBOARD", Value: "true"}}
	require.NoError(t, api.Create(t.Context(), template))
	said := awaitValid(t, template.Name, metav1.ConditionFalse, v1alpha1.ReasonInvalidTemplate)
	wantText(t, said.Message, "SELKIES_ENABLE_CLIPBOARD", `"true"`, "spec.access.clipboard", `"false"`)
	merge(t, template, `{"spec":{"env":null}}`)
	awaitValid(t, template.Name, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
}
