//go:build integration

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/apitest"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/pkg/node/cgroup/cgrouptest"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
)

const user = "node"

// grant gives the program the chart's rules.
func grant(t *testing.T, c client.Client) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "node", "role.yaml"))
	require.NoError(t, err)
	role := &rbacv1.ClusterRole{}
	require.NoError(t, yaml.Unmarshal(raw, role))
	require.NoError(t, c.Create(t.Context(), role))
	require.NoError(t, c.Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}}}))
}

// program is one that runs, with the address of its orders.
type program struct {
	orders, health string
	end            func()
}

func start(t *testing.T, f flags) program {
	t.Helper()
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		return l.Addr().String()
	}
	p := program{orders: free(), health: free()}
	f.listen, f.metricsAddress = p.orders, p.health
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, f, slog.New(slog.NewTextHandler(t.Output(), nil))) }()
	p.end = func() {
		stop()
		if err, first := <-ended; first {
			assert.NoError(t, err)
			close(ended)
		}
	}
	t.Cleanup(p.end)
	return p
}

// With the chart's rights and no others, the program freezes by order, lets go what ends, and
// after a restart what no session says.
func TestTheProgramDoesItsWorkWithTheRightsOfTheChart(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	env, err := apitest.Start(filepath.Join("..", "..", "config", "crd"))
	require.NoError(t, err)
	defer func() { require.NoError(t, env.Stop()) }()
	scheme := runtime.NewScheme()
	require.NoError(t, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	admin, err := client.New(env.Config, client.Options{Scheme: scheme})
	require.NoError(t, err)
	grant(t, admin)
	account, err := env.AddUser(envtest.User{Name: user}, nil)
	require.NoError(t, err)
	kubeconfig, err := account.KubeConfig()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(path, kubeconfig, 0o600))
	t.Setenv("KUBECONFIG", path)
	signer, certificate := tokentest.Certified(t)
	require.NoError(t, admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}))

	cgrouptest.Each(t, func(t *testing.T, h cgrouptest.Hierarchy) {
		id := cgrouptest.ID()
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", GenerateName: "ada-", Labels: map[string]string{v1alpha1.LabelSession: "ada"}},
			Spec: corev1.PodSpec{NodeName: "node-a", Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop, Image: "i"}}}}
		require.NoError(t, admin.Create(t.Context(), pod))
		uid := h.PodOf(t, pod.UID, id)
		desktop := h.Sleeper(t, uid, id)
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: v1alpha1.ContainerDesktop, ContainerID: "containerd://" + id,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}}}
		require.NoError(t, admin.Status().Update(t.Context(), pod))

		f := flags{installation: "vdi-system/vdi", node: "node-a", pulseEvery: time.Hour, cgroupRoot: h.Path, verificationCert: written(t, certificate), pageOut: true}
		freeze := func(p program) {
			eventually.NoError(t, "freezing", func() error { return order(t, signer, p, token.ActionFreeze, pod) })
			expectFrozen(t, desktop, true)
		}
		p := start(t, f)
		freeze(p)
		require.NoError(t, order(t, signer, p, token.ActionThaw, pod))
		expectFrozen(t, desktop, false)
		freeze(p)
		p.end()
		expectFrozen(t, desktop, false)

		require.NoError(t, desktop.Freeze(t.Context()), "as one that was killed leaves it")
		p = start(t, f)
		eventuallyRuns(t, desktop, "no session says that it dozes")
		freeze(p)
		require.NoError(t, admin.Delete(t.Context(), pod, client.GracePeriodSeconds(30)))
		eventuallyRuns(t, desktop, "its pod is deleted")
		require.NoError(t, client.IgnoreNotFound(admin.Delete(t.Context(), pod, client.GracePeriodSeconds(0))))
	})
}

func order(t *testing.T, signer *token.Signer, p program, action token.Action, pod *corev1.Pod) error {
	t.Helper()
	raw, err := signer.SignOrder(token.Order{Action: action, Pod: types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}, PodUID: pod.UID,
		Session: "1", Node: "node-a", Issued: time.Now()}, token.OrderLife)
	require.NoError(t, err)
	at := netip.MustParseAddrPort(p.orders)
	if action == token.ActionThaw {
		return nodeapi.NewClient().Thaw(t.Context(), at, raw)
	}
	return nodeapi.NewClient().Freeze(t.Context(), at, raw)
}

func expectFrozen(t *testing.T, c cgroup.Container, want bool) {
	t.Helper()
	is, err := c.Frozen()
	require.NoError(t, err)
	require.Equal(t, want, is)
}

func eventuallyRuns(t *testing.T, c cgroup.Container, why string) {
	t.Helper()
	eventually.True(t, why, func() bool {
		is, err := c.Frozen()
		return err == nil && !is
	})
}
