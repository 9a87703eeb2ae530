//go:build integration

package apiserver

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	coordinationv1ac "k8s.io/client-go/applyconfigurations/coordination/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/listening"
)

// as is a client of a user; without a name it is the administrator's.
func as(t *testing.T, user string) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	with := config
	if user != "" {
		with = impersonating(user)
	}
	c, err := client.New(with, client.Options{Scheme: scheme})
	require.NoError(t, err)
	return c
}

func sessionOf(user string) *v1alpha1.VDISession {
	return &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", GenerateName: "s-"},
		Spec: v1alpha1.VDISessionSpec{User: user, Template: "kde"}}
}

// bind lets a user make sessions, pods and what makes pods in team-a.
func bind(t *testing.T, user string) {
	t.Helper()
	meta := metav1.ObjectMeta{GenerateName: "tenant-", Namespace: "team-a"}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"vdi.kasm.io"}, Resources: []string{"vdisessions"}, Verbs: []string{"create", "update"}},
		{APIGroups: []string{"", "apps", "batch", "serving.knative.dev"}, Resources: []string{"*"}, Verbs: []string{"create", "update"}}}}
	require.NoError(t, admin.Create(t.Context(), role))
	binding := &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}}
	require.NoError(t, admin.Create(t.Context(), binding))
	t.Cleanup(func() {
		_ = admin.Delete(withoutEnd(t), role)
		_ = admin.Delete(withoutEnd(t), binding)
	})
}

// inForce waits until a policy refuses what it must: the API server learns of policies by a
// watch.
func inForce(t *testing.T, what string, try func() error) {
	t.Helper()
	eventually.NoError(t, what+" to be refused", func() error {
		if err := try(); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			return fmt.Errorf("it is let through: %w", err)
		}
		return nil
	})
}

func TestPeopleMakeSessionsForThemselves(t *testing.T) {
	policies := rendered(t, systemNamespace, "--set", "admissionPolicy.sessionUsers.users={portal},admissionPolicy.sessionUsers.usernamePrefix=oidc:")
	install(t)
	user := give(t, "edit", "team-a")
	theirs := as(t, user)
	dry := func(c client.Client, s *v1alpha1.VDISession) error { return c.Create(t.Context(), s, client.DryRunAll) }
	// The API server may still know a policy of this name that another test has deleted.
	eventually.NoError(t, "no policy to be in force", func() error { return dry(theirs, sessionOf("victim@example.com")) })
	create(t, admin, ofGroup(policies, "admissionregistration.k8s.io")...)
	inForce(t, "a session of somebody else", func() error { return dry(theirs, sessionOf("victim@example.com")) })
	err := dry(theirs, sessionOf("victim@example.com"))
	assert.ErrorContains(t, err, "spec.user is victim@example.com, and you are "+user)
	assert.ErrorContains(t, err, "admissionPolicy.sessionUsers")
	assert.NoError(t, dry(as(t, ""), sessionOf("victim@example.com")), "an administrator")

	// Under the prefix that the API server gives to people.
	own := "oidc:ada@example.com"
	bind(t, own)
	ada := as(t, own)
	mine := sessionOf("ada@example.com")
	eventually.NoError(t, "one's own session", func() error { return dry(ada, mine.DeepCopy()) })
	require.NoError(t, ada.Create(t.Context(), mine))
	t.Cleanup(func() { assert.NoError(t, client.IgnoreNotFound(as(t, "").Delete(withoutEnd(t), mine))) })
	mine.Labels = map[string]string{"team": "a"}
	assert.NoError(t, ada.Update(t.Context(), mine), "a change of something else")
	bind(t, "portal")
	eventually.NoError(t, "a portal's session of somebody", func() error { return dry(as(t, "portal"), sessionOf("ada@example.com")) })
}

// Whose session it makes, the portal knows. Who has its account's name where it is not, or a
// neighbour's, is a stranger.
func TestThePortalMakesSessionsOfOthersOnlyWhereItIs(t *testing.T) {
	const portal, neighbours = "system:serviceaccount:" + systemNamespace + ":" + portalAccount, "system:serviceaccount:team-b:" + portalAccount
	bind(t, portal)
	bind(t, neighbours)
	makes := func(user string) error {
		return as(t, user).Create(t.Context(), sessionOf("ada@example.com"), client.DryRunAll)
	}
	policies := func(t *testing.T, flags ...string) {
		create(t, admin, ofGroup(rendered(t, systemNamespace, flags...), "admissionregistration.k8s.io")...)
		inForce(t, "a neighbour's", func() error { return makes(neighbours) })
	}
	t.Run("without it", func(t *testing.T) {
		policies(t)
		inForce(t, "a portal's", func() error { return makes(portal) })
	})
	t.Run("with it", func(t *testing.T) {
		policies(t, "--set", withPortal)
		eventually.NoError(t, "a portal's session of somebody", func() error { return makes(portal) })
		assert.ErrorContains(t, makes(neighbours), "spec.user is ada@example.com, and you are "+neighbours)
	})
	t.Run("with an account that is there already", func(t *testing.T) {
		policies(t, "--set", withPortal+",portal.serviceAccount.create=false,portal.serviceAccount.name=mine")
		inForce(t, "the usual one's", func() error { return makes(portal) })
		mine := "system:serviceaccount:" + systemNamespace + ":mine"
		bind(t, mine)
		eventually.NoError(t, "that account's session of somebody", func() error { return makes(mine) })
	})
}

func TestNobodyMakesAPodThatVisitorsAreLedTo(t *testing.T) {
	create(t, admin, ofGroup(rendered(t, systemNamespace, "--set", "admissionPolicy.podCreators={restore}"), "admissionregistration.k8s.io")...)
	pod := func(labels map[string]string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", GenerateName: "p-", Labels: labels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "desktop", Image: "none"}}}}
	}
	fake := map[string]string{v1alpha1.LabelSession: "ada"}
	dry := func(c client.Client, p *corev1.Pod) error { return c.Create(t.Context(), p, client.DryRunAll) }
	root := as(t, "") // even this one is no controller
	inForce(t, "a pod with a session's label", func() error { return dry(root, pod(fake)) })
	assert.NoError(t, dry(root, pod(nil)), "another pod")
	plain := pod(nil)
	require.NoError(t, root.Create(t.Context(), plain))
	t.Cleanup(func() {
		assert.NoError(t, client.IgnoreNotFound(root.Delete(withoutEnd(t), plain, client.GracePeriodSeconds(0))))
	})
	plain.Labels = fake
	assert.True(t, apierrors.IsForbidden(root.Update(t.Context(), plain.DeepCopy())) || apierrors.IsInvalid(root.Update(t.Context(), plain.DeepCopy())),
		"a label that is added later")
	for _, maker := range []string{"system:serviceaccount:kube-system:replicaset-controller", "restore"} {
		bind(t, maker)
		eventually.NoError(t, maker, func() error { return dry(as(t, maker), pod(fake)) })
	}
}

func TestTheActivatorWritesActivityAlone(t *testing.T) {
	create(t, admin, ofGroup(rendered(t, systemNamespace), "admissionregistration.k8s.io")...)
	install(t)
	root := as(t, "")
	s := sessionOf("ada@example.com")
	require.NoError(t, root.Create(t.Context(), s))
	t.Cleanup(func() { assert.NoError(t, client.IgnoreNotFound(root.Delete(withoutEnd(t), s))) })
	activator := as(t, "system:serviceaccount:"+systemNamespace+":"+activatorAccount)
	patch := func(status string) error {
		return activator.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"status":`+status+`}`)))
	}
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	eventually.NoError(t, "activity to be written", func() error { return patch(`{"activity":{"lastWakeTime":"` + now + `"}}`) })
	// Another one each time: what is let through first is no change any more.
	inForce(t, "another URL", func() error { return patch(fmt.Sprintf(`{"url":"https://evil.example/%d"}`, time.Now().UnixNano())) })
	fields := map[string]string{
		"observedGeneration": "7", "phase": `"Running"`, "message": `"x"`, "url": `"https://evil.example/"`, "podName": `"x"`,
		"startTime": `"` + now + `"`, "readyTime": `"` + now + `"`, "lastStartDuration": `"1s"`, "sleepTime": `"` + now + `"`,
		"sleepReason": `"x"`, "lostTime": `"` + now + `"`, "lifecycle": `{"idleTimeout":"0s"}`, "shortened": `{"maxDuration":"` + now + `"}`,
		"doze": `{"since":"` + now + `","pod":"x","podUID":"x","node":"x","address":"10.0.0.1:7080"}`, "streaming": `{"protocol":"Auto"}`,
		"access": `{"clipboard":"None"}`, "waiting": `{"reason":"x","since":"2030-01-01T00:00:00Z"}`, "conditions": `[]`,
		"gpuUse": `[{"day":"2026-11-29","seconds":1}]`,
	}
	for field := range reflect.TypeFor[v1alpha1.VDISessionStatus]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "activity" {
			assert.Contains(t, fields, name, "a field that this test does not try")
		}
	}
	for field, value := range fields {
		err := patch(fmt.Sprintf(`{%q:%s,"activity":{"lastConnectedTime":%q}}`, field, value, now))
		if field == "conditions" {
			continue // an empty list is none
		}
		assert.ErrorContains(t, err, "status."+field+" is not the activator's to write", field)
	}
	assert.NoError(t, errors.Join(patch(`{"activity":{"lastConnectedTime":"`+now+`"}}`),
		patch(`{"activity":{"present":{"one":{"at":"`+now+`","people":[{"user":"ada@example.com","role":"Owner","since":"`+now+`"}]}}}}`),
		patch(`{"activity":{"present":{"one":null}}}`)))
}

func TestOperatorsAloneClaimANamespace(t *testing.T) {
	create(t, admin, ofGroup(rendered(t, systemNamespace), "admissionregistration.k8s.io")...)
	install(t)
	claim := func(user, name string) error {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name},
			Spec: coordinationv1.LeaseSpec{HolderIdentity: new("mallory/vdi")}}
		return as(t, user).Create(t.Context(), lease, client.DryRunAll)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "leases-of-edit"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}}}}
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: role.Name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "mallory"}}}
	for _, o := range []client.Object{role, binding} {
		require.NoError(t, admin.Create(t.Context(), o))
		t.Cleanup(func() { _ = admin.Delete(withoutEnd(t), o) })
	}
	eventually.NoError(t, "another Lease", func() error { return claim("mallory", "mine") })
	inForce(t, "a forged claim", func() error { return claim("mallory", "vdi-desktops") })
	assert.ErrorContains(t, claim("mallory", "vdi-desktops"), "only operators write it")
	assert.NoError(t, claim("system:serviceaccount:"+systemNamespace+":"+operatorAccount, "vdi-desktops"))
}

func TestTheActivatorWritesItsOwnLeasesAlone(t *testing.T) {
	create(t, admin, ofGroup(rendered(t, systemNamespace), "admissionregistration.k8s.io")...)
	install(t)
	root := as(t, "")
	activator := as(t, "system:serviceaccount:"+systemNamespace+":"+activatorAccount)
	apply := func(name string, labels map[string]string) error {
		l := coordinationv1ac.Lease(name, systemNamespace).WithLabels(labels).
			WithSpec(coordinationv1ac.LeaseSpec().WithHolderIdentity("x").WithRenewTime(metav1.NowMicro()))
		return activator.Apply(t.Context(), l, client.FieldOwner("test"), client.ForceOwnership)
	}
	own := map[string]string{listening.Label: "vdi"}
	for _, name := range []string{"vdi-operator", "vdi-activator-1", "other"} {
		l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: name}}
		if name == "vdi-operator" {
			require.NoError(t, root.Create(t.Context(), l.DeepCopy()))
		}
		t.Cleanup(func() { assert.NoError(t, client.IgnoreNotFound(root.Delete(withoutEnd(t), l))) })
	}
	eventually.NoError(t, "its own to be made", func() error { return apply("vdi-activator-1", own) })
	inForce(t, "the operator's", func() error { return apply("vdi-operator", nil) })
	assert.NoError(t, apply("vdi-activator-1", own), "its own, once more")
	for what, err := range map[string]error{
		"one without the label":       apply("other", nil),
		"another installation's":      apply("other", map[string]string{listening.Label: "theirs"}),
		"the operator's, by labeling": apply("vdi-operator", own),
	} {
		assert.ErrorContains(t, err, "is not the activator's to write", what)
	}
}
