//go:build integration

package apiserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	coordinationv1ac "k8s.io/client-go/applyconfigurations/coordination/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/listening"
)

// everything gives the user stranger all verbs on all resources in team-a.
func everything(t *testing.T) {
	t.Helper()
	meta := metav1.ObjectMeta{GenerateName: "all-", Namespace: "team-a"}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}}
	require.NoError(t, admin.Create(t.Context(), role))
	binding := &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "stranger"}}}
	require.NoError(t, admin.Create(t.Context(), binding))
	t.Cleanup(func() {
		_ = admin.Delete(withoutEnd(t), role)
		_ = admin.Delete(withoutEnd(t), binding)
	})
}

// policed has the policies in force for users of pods in team-a.
func policed(t *testing.T) {
	t.Helper()
	create(t, admin, ofGroup(rendered(t, systemNamespace), "admissionregistration.k8s.io")...)
	inForce(t, "a pod with a session's label", func() error {
		return as(t, "").Create(t.Context(), podOf(map[string]string{v1alpha1.LabelSession: "ada"}), client.DryRunAll)
	})
	inForce(t, "a deployment", func() error { return as(t, "").Create(t.Context(), podMaker(t, "Deployment", "ada"), client.DryRunAll) })
}

func podOf(labels map[string]string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", GenerateName: "p-", Labels: labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "desktop", Image: "none"}}}}
}

func madePod(t *testing.T) *corev1.Pod {
	t.Helper()
	p := podOf(nil)
	require.NoError(t, admin.Create(t.Context(), p))
	t.Cleanup(func() { _ = admin.Delete(withoutEnd(t), p, client.GracePeriodSeconds(0)) })
	return p
}

func labelNow(t *testing.T, p *corev1.Pod) string {
	t.Helper()
	require.NoError(t, admin.Get(t.Context(), client.ObjectKeyFromObject(p), p))
	return p.Labels[v1alpha1.LabelSession]
}

// A stranger labels a pod by its subresources.
func TestSubresourcesOfPodsGiveTheLabel(t *testing.T) {
	policed(t)
	everything(t)
	stranger := as(t, "stranger")
	set, err := kubernetes.NewForConfig(impersonating("stranger"))
	require.NoError(t, err)
	label := []byte(`{"metadata":{"labels":{"` + v1alpha1.LabelSession + `":"ada"}}}`)
	for _, sub := range []string{"status", "ephemeralcontainers", "resize"} {
		t.Run(sub, func(t *testing.T) {
			p := madePod(t)
			err := stranger.SubResource(sub).Patch(t.Context(), p.DeepCopy(), client.RawPatch("application/merge-patch+json", label))
			t.Log(err)
			assert.Empty(t, labelNow(t, p), "the pod is taken for ada's desktop")
		})
	}
	t.Run("status, apply", func(t *testing.T) {
		p := madePod(t)
		_, err := set.CoreV1().Pods("team-a").Patch(t.Context(), p.Name, "application/apply-patch+yaml",
			[]byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"`+p.Name+`","labels":{"`+v1alpha1.LabelSession+`":"ada"}}}`),
			metav1.PatchOptions{FieldManager: "x"}, "status")
		t.Log(err)
		assert.Empty(t, labelNow(t, p), "the pod is taken for ada's desktop")
	})
	for _, via := range []string{"binding", "bindings"} {
		t.Run(via, func(t *testing.T) {
			p := madePod(t)
			b := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: p.Name, Labels: map[string]string{v1alpha1.LabelSession: "ada"}},
				Target: corev1.ObjectReference{Kind: "Node", Name: "n"}}
			var err error
			if via == "binding" {
				err = set.CoreV1().Pods("team-a").Bind(t.Context(), b, metav1.CreateOptions{})
			} else {
				err = stranger.Create(t.Context(), b)
			}
			t.Log(err)
			assert.Empty(t, labelNow(t, p), "the pod is taken for ada's desktop")
		})
	}
}

// What makes the policies' expressions fail is let through: failurePolicy is Ignore.
func TestNothingMakesTheExpressionsFail(t *testing.T) {
	policed(t)
	everything(t)
	stranger := as(t, "stranger")
	eventually.NoError(t, "rights", func() error { return stranger.Create(t.Context(), podMaker(t, "Service", ""), client.DryRunAll) })
	for name, spoil := range map[string]func(o *unstructured.Unstructured){
		"no spec":       func(o *unstructured.Unstructured) { delete(o.Object, "spec") },
		"null spec":     func(o *unstructured.Unstructured) { o.Object["spec"] = nil },
		"null template": func(o *unstructured.Unstructured) { o.Object["spec"] = map[string]any{"template": nil} },
		"no template":   func(o *unstructured.Unstructured) { o.Object["spec"] = map[string]any{} },
		"null metadata": func(o *unstructured.Unstructured) {
			o.Object["spec"] = map[string]any{"template": map[string]any{"metadata": nil}}
		},
		"null labels": func(o *unstructured.Unstructured) {
			o.Object["spec"] = map[string]any{"template": map[string]any{"metadata": map[string]any{"labels": nil}}}
		},
		"label list": func(o *unstructured.Unstructured) {
			o.Object["spec"] = map[string]any{"template": map[string]any{"metadata": map[string]any{"labels": []any{"x"}}}}
		},
		"text metadata": func(o *unstructured.Unstructured) {
			o.Object["spec"] = map[string]any{"template": map[string]any{"metadata": "x"}}
		},
	} {
		for _, kind := range []string{"Service", "Configuration", "ReplicationController"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				o := podMaker(t, kind, "")
				spoil(o)
				if kind == "ReplicationController" && o.Object["spec"] != nil {
					o.Object["spec"].(map[string]any)["selector"] = map[string]any{"app": "x"}
				}
				if err := stranger.Create(t.Context(), o); err != nil {
					t.Log("not made:", err)
					return
				}
				t.Cleanup(func() { _ = admin.Delete(withoutEnd(t), o) })
				relabel := podMaker(t, kind, "ada")
				relabel.SetGenerateName("")
				relabel.SetName(o.GetName())
				relabel.SetResourceVersion(o.GetResourceVersion())
				assert.ErrorContains(t, stranger.Update(t.Context(), relabel, client.DryRunAll), "visitors of session ada")
			})
		}
	}
}

// Status and scale of what makes pods change no template.
func TestSubresourcesOfWorkloadsChangeNoTemplate(t *testing.T) {
	policed(t)
	everything(t)
	stranger := as(t, "stranger")
	for kind := range podMakers {
		t.Run(kind, func(t *testing.T) {
			o := podMaker(t, kind, "")
			eventually.NoError(t, "made", func() error { o = podMaker(t, kind, ""); return stranger.Create(t.Context(), o) })
			t.Cleanup(func() { _ = admin.Delete(withoutEnd(t), o) })
			l := o.DeepCopy()
			relabel(t, l, map[string]string{"app": "x", v1alpha1.LabelSession: "ada"})
			require.NoError(t, unstructured.SetNestedField(l.Object, int64(7), "status", "observedGeneration"))
			t.Log(stranger.Status().Update(t.Context(), l))
			require.NoError(t, admin.Get(t.Context(), client.ObjectKeyFromObject(o), o))
			labels, _, _ := unstructured.NestedStringMap(o.Object, at(kind, "metadata", "labels")...)
			assert.NotContains(t, labels, v1alpha1.LabelSession)
		})
	}
}

// The activator makes the operator's Lease, where that is not there yet, and holds it.
func TestTheActivatorMakesNoLeaseOfTheOperators(t *testing.T) {
	create(t, admin, ofGroup(rendered(t, systemNamespace), "admissionregistration.k8s.io")...)
	install(t)
	root := as(t, "")
	activator := as(t, "system:serviceaccount:"+systemNamespace+":"+activatorAccount)
	apply := func(name string, labels map[string]string) error {
		l := coordinationv1ac.Lease(name, systemNamespace).WithLabels(labels).
			WithSpec(coordinationv1ac.LeaseSpec().WithHolderIdentity("x").WithLeaseDurationSeconds(1 << 30).WithRenewTime(metav1.NowMicro()))
		return activator.Apply(t.Context(), l, client.FieldOwner("test"), client.ForceOwnership)
	}
	const election = "vdi-operator"
	_ = root.Delete(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: election}})
	t.Cleanup(func() {
		_ = root.Delete(withoutEnd(t), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: election}})
		_ = root.Delete(withoutEnd(t), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "own"}})
	})
	inForce(t, "one without a label", func() error { return apply("other", nil) })
	eventually.NoError(t, "own", func() error { return apply("own", map[string]string{listening.Label: "vdi"}) })
	assert.Error(t, apply(election, map[string]string{listening.Label: "vdi"}), "the operator's election is the activator's, and it goes on renewing it")
}

// Without Knative nobody watches who makes its namespace, and an account in it, by its name.
func TestWithoutKnativeItsControllerIsNoMaker(t *testing.T) {
	create(t, admin, ofGroup(rendered(t, systemNamespace, "--set", "knative.enabled=false"), "admissionregistration.k8s.io")...)
	inForce(t, "a pod with a session's label", func() error {
		return as(t, "").Create(t.Context(), podOf(map[string]string{v1alpha1.LabelSession: "ada"}), client.DryRunAll)
	})
	const user = "system:serviceaccount:knative-serving:controller"
	bind(t, user)
	eventually.NoError(t, "rights", func() error { return as(t, user).Create(t.Context(), podOf(nil), client.DryRunAll) })
	inForce(t, "a pod of Knative's account", func() error {
		return as(t, user).Create(t.Context(), podOf(map[string]string{v1alpha1.LabelSession: "ada"}), client.DryRunAll)
	})
}

// Strategic patches, applies and Knative's webhook-like changes of notes.
func TestPatchesAreRefusedTheSame(t *testing.T) {
	policed(t)
	everything(t)
	o := podMaker(t, "Deployment", "")
	eventually.NoError(t, "made", func() error { o = podMaker(t, "Deployment", ""); return as(t, "stranger").Create(t.Context(), o) })
	t.Cleanup(func() { _ = admin.Delete(withoutEnd(t), o) })
	body := `{"spec":{"template":{"metadata":{"labels":{"` + v1alpha1.LabelSession + `":"ada"}}}}}`
	set, err := kubernetes.NewForConfig(impersonating("stranger"))
	require.NoError(t, err)
	for _, kind := range []string{"application/merge-patch+json", "application/strategic-merge-patch+json"} {
		_, err := set.AppsV1().Deployments("team-a").Patch(t.Context(), o.GetName(), types.PatchType(kind), []byte(body), metav1.PatchOptions{})
		refused(t, err, "Deployment", "ada")
	}
	_, err = set.AppsV1().Deployments("team-a").Patch(t.Context(), o.GetName(), types.ApplyPatchType,
		[]byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"`+o.GetName()+`"},`+body[1:]), metav1.PatchOptions{FieldManager: "x"})
	refused(t, err, "Deployment", "ada")
	for what, patch := range map[string]string{"restart": `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"x"}}}}}`,
		"owner": `{"metadata":{"finalizers":["x.example/y"]}}`, "rest": `{"metadata":{"finalizers":[]}}`} {
		_, err := set.AppsV1().Deployments("team-a").Patch(t.Context(), o.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		assert.NoError(t, err, what)
	}
}
