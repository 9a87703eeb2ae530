//go:build integration

package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/apitest"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
)

const user = "activator"

// grant gives the activator the chart's rules in a namespace.
func grant(t *testing.T, c client.Client, namespace string) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: user}
	read := []string{"get", "list", "watch"}
	require.NoError(t, c.Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"vdisessions"}, Verbs: read},
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: read},
	}}))
	require.NoError(t, c.Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: meta,
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}}))
}

func TestANamespaceWithoutRightsKeepsNoOtherWaitingAndIsServedOnceItHasThem(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	env, err := apitest.Start(filepath.Join("..", "..", "config", "crd"))
	require.NoError(t, err)
	defer func() { require.NoError(t, env.Stop()) }()
	scheme := runtime.NewScheme()
	require.NoError(t, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	admin, err := client.New(env.Config, client.Options{Scheme: scheme})
	require.NoError(t, err)
	ada := map[string]types.NamespacedName{}
	for _, namespace := range []string{"a", "b"} {
		require.NoError(t, admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
		s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ada"},
			Spec: v1alpha1.VDISessionSpec{User: "ada@example.com", Template: "any"}}
		require.NoError(t, admin.Create(t.Context(), s))
		ada[namespace] = client.ObjectKeyFromObject(s)
	}
	them, err := env.AddUser(envtest.User{Name: user}, nil)
	require.NoError(t, err)

	cfg := config.Default()
	cfg.Namespaces = []string{"a", "b"}
	a, err := connect(them.Config(), cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	dir := directory.New(func(namespace, name string) string { return name + "--" + namespace }, func(types.NamespacedName) {})
	listings, err := a.feed(ctx, dir, nil)
	require.NoError(t, err)
	ready := &readiness{stopping: ctx}
	ready.lists(listings)
	var group errgroup.Group
	a.start(ctx, &group)
	defer func() {
		cancel()
		require.NoError(t, group.Wait())
	}()
	knows := func(namespace string) func() bool {
		return func() bool {
			_, known := dir.View(ada[namespace])
			return known
		}
	}
	eventually.True(t, "both are forbidden", func() bool { return a.spaces[0].forbidden.Load() && a.spaces[1].forbidden.Load() })
	require.Error(t, ready.check(), "it can serve nothing")

	grant(t, admin, "a")
	eventually.NoError(t, "it serves what it may", ready.check)
	assert.True(t, knows("a")())
	assert.False(t, knows("b")())

	grant(t, admin, "b")
	eventually.True(t, "it serves the other, too", knows("b"))
}
