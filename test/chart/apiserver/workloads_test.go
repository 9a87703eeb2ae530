//go:build integration

package apiserver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

// podMakers are the kinds of which a controller makes pods, with what stands before their pod
// template's labels in each, and what the kind needs besides.
var podMakers = map[string]struct{ version, template, besides string }{
	"Deployment":            {"apps/v1", "spec.template", "spec: {selector: {matchLabels: {app: x}}}"},
	"ReplicaSet":            {"apps/v1", "spec.template", "spec: {selector: {matchLabels: {app: x}}}"},
	"StatefulSet":           {"apps/v1", "spec.template", "spec: {serviceName: x, selector: {matchLabels: {app: x}}}"},
	"DaemonSet":             {"apps/v1", "spec.template", "spec: {selector: {matchLabels: {app: x}}}"},
	"ReplicationController": {"v1", "spec.template", "spec: {selector: {app: x}}"},
	"Job":                   {"batch/v1", "spec.template", "spec: {template: {spec: {restartPolicy: Never}}}"},
	"CronJob": {"batch/v1", "spec.jobTemplate.spec.template",
		"spec: {schedule: '@daily', jobTemplate: {spec: {template: {spec: {restartPolicy: Never}}}}}"},
	"Service":       {"serving.knative.dev/v1", "spec.template", ""},
	"Configuration": {"serving.knative.dev/v1", "spec.template", ""},
	"Revision":      {"serving.knative.dev/v1", "", "spec: {containers: [{name: desktop, image: none}]}"},
}

// podMaker is an object of such a kind in team-a, whose pods have the session's label, or not.
func podMaker(t *testing.T, kind, session string) *unstructured.Unstructured {
	t.Helper()
	how := podMakers[kind]
	o := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte("{apiVersion: "+how.version+", kind: "+kind+"}"), &o.Object))
	if how.besides != "" {
		require.NoError(t, yaml.Unmarshal([]byte(how.besides), &o.Object))
	}
	o.SetNamespace("team-a")
	o.SetGenerateName("w-")
	labels := map[string]string{"app": "x"}
	if session != "" {
		labels[v1alpha1.LabelSession] = session
	}
	relabel(t, o, labels)
	if path := at(kind, "spec", "containers"); how.template != "" {
		require.NoError(t, unstructured.SetNestedSlice(o.Object, []any{map[string]any{"name": "desktop", "image": "none"}}, path...))
	}
	return o
}

// at is a path below a kind's pod template.
func at(kind string, below ...string) []string {
	if podMakers[kind].template == "" {
		return below
	}
	return append(strings.Split(podMakers[kind].template, "."), below...)
}

// relabel sets the labels that an object's pods have.
func relabel(t *testing.T, o *unstructured.Unstructured, labels map[string]string) {
	t.Helper()
	require.NoError(t, unstructured.SetNestedStringMap(o.Object, labels, at(o.GetKind(), "metadata", "labels")...))
}

// refused says that the policy refuses, by its name for the session and its remedy.
func refused(t *testing.T, err error, kind, session string) {
	t.Helper()
	require.True(t, apierrors.IsForbidden(err) || apierrors.IsInvalid(err), "%s is let through: %v", kind, err)
	assert.ErrorContains(t, err, "visitors of session "+session, kind)
	assert.ErrorContains(t, err, kind, kind)
	assert.ErrorContains(t, err, "admissionPolicy.podCreators", kind)
}

func TestNobodyHasAControllerMakeAPodThatVisitorsAreLedTo(t *testing.T) {
	policies := rendered(t, systemNamespace, "--set", "admissionPolicy.podCreators={restore}")
	create(t, admin, ofGroup(policies, "admissionregistration.k8s.io")...)
	stranger, restore := as(t, "stranger"), as(t, "restore")
	bind(t, "stranger")
	bind(t, "restore")
	for kind := range podMakers {
		t.Run(kind, func(t *testing.T) {
			dry := func(c client.Client, session string) error {
				return c.Create(t.Context(), podMaker(t, kind, session), client.DryRunAll)
			}
			eventually.NoError(t, "one of no session", func() error { return dry(stranger, "") })
			inForce(t, kind, func() error { return dry(stranger, "ada") })
			refused(t, dry(stranger, "ada"), kind, "ada")
			refused(t, dry(as(t, ""), "ada"), kind, "ada") // an administrator is no controller either
			eventually.NoError(t, "who is named", func() error { return dry(restore, "ada") })

			o := podMaker(t, kind, "")
			create := o.DeepCopy()
			require.NoError(t, stranger.Create(t.Context(), create))
			t.Cleanup(func() { assert.NoError(t, client.IgnoreNotFound(admin.Delete(withoutEnd(t), create))) })
			labelled := create.DeepCopy()
			relabel(t, labelled, map[string]string{"app": "x", v1alpha1.LabelSession: "ada"})
			err := stranger.Update(t.Context(), labelled, client.DryRunAll)
			if kind == "Job" {
				assert.ErrorContains(t, err, "immutable")
				return
			}
			refused(t, err, kind, "ada")
		})
	}
}

func TestWhatMakesADesktopIsChangedByItsMakersAlone(t *testing.T) {
	create(t, admin, ofGroup(rendered(t, systemNamespace), "admissionregistration.k8s.io")...)
	root := as(t, "")
	const maker = "system:serviceaccount:kube-system:deployment-controller"
	bind(t, maker)
	bind(t, "stranger")
	d := podMaker(t, "Deployment", "ada")
	// It sleeps: another policy keeps it from changes while it is awake.
	require.NoError(t, unstructured.SetNestedField(d.Object, int64(0), "spec", "replicas"))
	eventually.NoError(t, "a maker's", func() error { return as(t, maker).Create(t.Context(), d) })
	t.Cleanup(func() { assert.NoError(t, client.IgnoreNotFound(root.Delete(withoutEnd(t), d))) })
	inForce(t, "another session's", func() error { return root.Create(t.Context(), podMaker(t, "Deployment", "bob"), client.DryRunAll) })

	change := func(user string, to any, path ...string) error {
		o := d.DeepCopy()
		require.NoError(t, unstructured.SetNestedField(o.Object, to, path...))
		return as(t, user).Update(t.Context(), o, client.DryRunAll)
	}
	containers, theirs := []string{"spec", "template", "spec", "containers"}, []any{map[string]any{"name": "desktop", "image": "theirs"}}
	refused(t, change("stranger", theirs, containers...), "Deployment", "ada")
	refused(t, change("", theirs, containers...), "Deployment", "ada")
	refused(t, change("stranger", "bob", "spec", "template", "metadata", "labels", v1alpha1.LabelSession), "Deployment", "bob")
	assert.NoError(t, change(maker, theirs, containers...))
	assert.NoError(t, change("stranger", int64(1), "spec", "replicas"), "a scale")
	assert.NoError(t, change("stranger", map[string]any{"note": "theirs"}, "metadata", "annotations"), "a note")
}

// What makes desktops has the rights that the chart gives it, and Kubernetes' and Knative's
// controllers theirs.
func TestTheMakersOfDesktopsGoOn(t *testing.T) {
	const kubernetes, knative = "system:serviceaccount:kube-system:", "system:serviceaccount:knative-serving:controller"
	create(t, admin, ofGroup(rendered(t, systemNamespace), "admissionregistration.k8s.io")...)
	dry := func(user, kind, session string) error {
		return as(t, user).Create(t.Context(), podMaker(t, kind, session), client.DryRunAll)
	}
	inForce(t, "a Deployment", func() error { return dry("", "Deployment", "ada") })
	goesOn := func(t *testing.T, user string, kinds ...string) {
		for _, kind := range kinds {
			eventually.NoError(t, fmt.Sprintf("a %s of %s", kind, user), func() error { return dry(user, kind, "ada") })
		}
	}
	for enabled, kind := range map[string]string{"true": "Service", "false": "Deployment"} {
		t.Run("knative.enabled="+enabled, func(t *testing.T) {
			install(t, "--set", "knative.enabled="+enabled)
			goesOn(t, "system:serviceaccount:"+systemNamespace+":"+operatorAccount, kind)
		})
	}
	for user, kinds := range map[string][]string{
		kubernetes + "deployment-controller": {"ReplicaSet"}, "system:kube-controller-manager": {"ReplicaSet"},
		knative: {"Configuration", "Revision", "Deployment"},
	} {
		bind(t, user)
		goesOn(t, user, kinds...)
	}
	// Who makes pods of what no session is made of is no maker.
	for _, user := range []string{kubernetes + "cronjob-controller", kubernetes + "statefulset-controller"} {
		bind(t, user)
		eventually.NoError(t, "what is no session's", func() error { return dry(user, "Job", "") })
		refused(t, dry(user, "Job", "ada"), "Job", "ada")
	}
}
