//go:build integration

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/org/vdi-operator/pkg/apitest"
	"github.com/org/vdi-operator/pkg/controller/installation"
	"github.com/org/vdi-operator/pkg/eventually"
)

// program is the whole operator, against a kube-apiserver that has neither Knative nor
// this product's definitions.
type program struct {
	*testing.T
	env     *envtest.Environment
	cluster client.Client
	health  string
	ended   chan error
}

func startProgram(t *testing.T) *program {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	env, err := apitest.Start()
	require.NoError(t, err)
	p := &program{T: t, env: env, ended: make(chan error, 1)}
	t.Cleanup(func() { require.NoError(p, env.Stop()) })
	p.cluster, err = client.New(env.Config, client.Options{})
	require.NoError(p, err)
	admin, err := env.AddUser(envtest.User{Name: "administrator", Groups: []string{"system:masters"}}, nil)
	require.NoError(p, err)
	kubeconfig, err := admin.KubeConfig()
	require.NoError(p, err)
	dir := t.TempDir()
	for name, content := range map[string][]byte{"kubeconfig": kubeconfig,
		"config.yaml": []byte("url: {domain: vdi.example.com}\ninstallation: {name: vdi, namespace: default}\n")} {
		require.NoError(p, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(p, err)
	p.health = l.Addr().String()
	require.NoError(p, l.Close())
	t.Setenv("KUBECONFIG", filepath.Join(dir, "kubeconfig"))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		p.ended <- run(ctx, flags{config: filepath.Join(dir, "config.yaml"), manager: ctrl.Options{
			Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: p.health,
			LeaderElection: true, LeaderElectionNamespace: "default"}}, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(p, <-p.ended)
	})
	return p
}

// eventually waits until check returns nil, and fails when the operator ends.
func (p *program) eventually(what string, check func() error) {
	p.Helper()
	eventually.NoError(p, what, func() error {
		select {
		case err := <-p.ended:
			p.ended <- err
			p.Fatalf("%s: the operator has ended: %v", what, err)
		default:
		}
		return check()
	})
}

// answers checks what kubelet is told.
func (p *program) answers(path string, want int) func() error {
	return func() error {
		resp, err := http.Get("http://" + p.health + path)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			return fmt.Errorf("%s: %s", path, resp.Status)
		}
		return nil
	}
}

func (p *program) says(parts ...string) func() error {
	return func() error {
		cm := &corev1.ConfigMap{}
		if err := p.cluster.Get(p.Context(), client.ObjectKey{Namespace: "default", Name: "vdi-status"}, cm); err != nil {
			return err
		}
		conditions, err := installation.ReadStatus(cm)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%+v", conditions)
		for _, part := range parts {
			if !strings.Contains(text, part) {
				return fmt.Errorf("%q is not in %s", part, text)
			}
		}
		return nil
	}
}

func (p *program) install(paths ...string) {
	p.Helper()
	_, err := envtest.InstallCRDs(p.env.Config, envtest.CRDInstallOptions{Paths: paths, ErrorIfPathMissing: true})
	require.NoError(p, err)
}

func TestAnOperatorWithoutKnativeSaysWhatIsMissingAndGoesOnWhenItComes(t *testing.T) {
	p := startProgram(t)
	p.eventually("it lives", p.answers("/healthz", http.StatusOK))
	p.eventually("what is missing is told", p.says(
		"VDISession of vdi.kasm.io/v1alpha1 is not in the cluster: install this chart's CRDs", "Reason:Current",
		"config map config-features is not in namespace knative-serving",
		"There is no Deployment controller in namespace knative-serving: install Knative Serving 1.20 or later"))
	require.NoError(p, p.answers("/readyz", http.StatusInternalServerError)())

	p.install(filepath.Join("..", "..", "config", "crd"))
	p.eventually("Knative is missing", p.says("Service of serving.knative.dev/v1 is not in the cluster: install Knative Serving 1.20 or later"))

	knative, err := apitest.Knative()
	require.NoError(p, err)
	p.install(knative...)
	require.NoError(p, p.cluster.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "knative-serving"}}))
	for _, name := range []string{"config-features", "config-autoscaler"} {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "knative-serving", Name: name}}
		require.NoError(p, p.cluster.Create(t.Context(), cm))
	}
	p.eventually("it is ready", p.answers("/readyz", http.StatusOK))
	p.eventually("only Knative's programs are missing", p.says("Reason:Present", "Reason:AsNeeded", "Reason:NotInstalled"))
}
