package main

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/installation"
)

func told(namespace, name, conditions string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: installation.StatusName(name), Labels: map[string]string{installation.LabelStatus: name}},
		Data:       map[string]string{installation.ConditionsKey: conditions},
	}
}

const (
	ready = `
- {type: KnativeReady, status: "True", reason: Ready, message: Knative Serving 1.23.0 is ready., lastTransitionTime: "2026-01-02T03:04:05Z"}
`
	conflicting = `
- type: KnativeConfigured
  status: "False"
  reason: Conflict
  message: |-
    config-features: a is "disabled".
    Let that owner set it.
`
)

func TestStatusIsATableThatFailsWhenSomethingIsFalse(t *testing.T) {
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: "other"}, Data: map[string]string{installation.ConditionsKey: conflicting}}
	out, _, err := run(t, []string{"status"}, told("vdi-system", "vdi", ready), told("elsewhere", "desk", conflicting), foreign)
	assert.NoError(t, err)
	want := `^INSTALLATION +TYPE +STATUS +REASON +MESSAGE\nvdi +KnativeReady +True +Ready +Knative Serving 1\.23\.0 is ready\.\n$`
	assert.True(t, regexp.MustCompile(want).MatchString(out), "printed\n%s", out)
	out, _, err = run(t, []string{"status", "--system-namespace", "elsewhere"}, told("elsewhere", "desk", ready+conflicting))
	require.Error(t, err)
	assert.Equal(t, "conditions that are False: 1 of 2", err.Error(), "failed with %v", err)
	assert.Contains(t, out, `config-features: a is "disabled". Let that owner set it.`, "printed")
}

func TestStatusShowsTemplatesWithWhatIsWrongWithThem(t *testing.T) {
	template := func(name string, status metav1.ConditionStatus, message string) *v1alpha1.VDITemplate {
		return &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1alpha1.VDITemplateStatus{
			Sessions:   &v1alpha1.TemplateSessions{Total: 3, Awake: 1},
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionValid, Status: status, Reason: v1alpha1.ReasonAccepted, Message: message}},
		}}
	}
	good, fresh := template("kde", metav1.ConditionTrue, ""), &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "new"}}
	out, errOut, err := run(t, []string{"status"}, told("vdi-system", "vdi", ready), good, fresh)
	require.NoError(t, err)
	assert.Empty(t, errOut)
	want := `\n\nTEMPLATE +VALID +SESSIONS +AWAKE +DOZING +PULLED +REASON +MESSAGE\nkde +True +3 +1 +0 +- +Accepted +\nnew +Unknown +0 +0 +0 +- +- +No operator has reported on it\.\n$`
	assert.Regexp(t, want, out)
	pulled := template("kde", metav1.ConditionTrue, "")
	pulled.Status.PrePull = &v1alpha1.TemplatePrePull{Desired: 3, Ready: 1, Message: "On node a:\nno disk."}
	out, _, err = run(t, []string{"status"}, told("vdi-system", "vdi", ready), pulled)
	require.NoError(t, err)
	assert.Regexp(t, `kde +True +3 +1 +0 +1/3 +Accepted +On node a: no disk\.\n`, out)
	out, errOut, err = run(t, []string{"status"}, told("vdi-system", "vdi", ready), good, template("xfce", metav1.ConditionFalse, "spec.podTemplate:\nno"))
	require.NoError(t, err, "the installation is well")
	assert.Regexp(t, `xfce +False +3 +1 +.* spec\.podTemplate: no\n`, out)
	assert.Equal(t, "Warning: 1 of 2 templates are not valid, and no desktop can be made of them.\n", errOut)
}

func TestStatusSaysWhyThereIsNone(t *testing.T) {
	for name, tc := range map[string]struct {
		there *corev1.ConfigMap
		says  string
	}{
		"another namespace's": {told("elsewhere", "vdi", ready), "--system-namespace"},
		"one that is no list": {told("vdi-system", "vdi", "rubbish"), "config map vdi-system/vdi-status: conditions"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := run(t, []string{"status"}, tc.there)
			assert.ErrorContains(t, err, tc.says)
		})
	}
}

func TestStatusFailsWhenNoOperatorKeepsTheConditionsCurrent(t *testing.T) {
	report := told("vdi-system", "vdi", ready)
	report.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "vdi-operator", UID: "1"}}
	deployment := func(wanted, ready int32) *appsv1.Deployment {
		return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: "vdi-operator"},
			Spec: appsv1.DeploymentSpec{Replicas: &wanted}, Status: appsv1.DeploymentStatus{ReadyReplicas: ready}}
	}
	_, _, err := run(t, []string{"status"}, report, deployment(2, 1))
	require.NoError(t, err)
	for says, there := range map[string]*appsv1.Deployment{
		"0 of 0 replicas of Deployment vdi-system/vdi-operator are ready: kubectl -n vdi-system scale deployment vdi-operator --replicas=1": deployment(0, 0),
		"0 of 2 replicas of Deployment vdi-system/vdi-operator are ready: see kubectl -n vdi-system describe":                               deployment(2, 0),
	} {
		out, _, err := run(t, []string{"status"}, report, there)
		require.ErrorContains(t, err, "no operator of installation vdi runs, so that the conditions are old")
		require.ErrorContains(t, err, says)
		assert.Contains(t, out, "KnativeReady", "what was reported last is shown")
	}
	_, _, err = run(t, []string{"status"}, report)
	require.ErrorContains(t, err, "Deployment vdi-system/vdi-operator is gone")
}
