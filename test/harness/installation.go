// Package harness is what a test or demo needs to act as the people around an
// installation: the administrator with kubectl, and the visitor with a browser.
//
// It assumes an installation that the platform command brought up, and fails with
// what to do where there is none.
package harness

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/helm"
	"github.com/org/vdi-operator/test/platform/env"
)

// Installation is a running installation and its administrator's clients.
type Installation struct {
	env.Env
	Root string
	// PluginProgram is kubectl's plugin, by which the administrator makes links.
	PluginProgram string
	// Trusts are the authorities whose certificates visitors accept; nil is the machine's.
	Trusts *x509.CertPool
	Config *rest.Config
	Client client.Client
	Kube   kubernetes.Interface
}

// Open finds the installation and makes its visitors' address answer until ctx
// ends.
func Open(ctx context.Context) (*Installation, error) {
	in, err := Find()
	if err == nil && in.PortForward {
		err = in.forward(ctx)
	}
	return in, err
}

// Find finds the installation, for its administrator only.
func Find() (*Installation, error) {
	e, root, err := env.Load()
	if err != nil {
		return nil, err
	}
	rc, err := clientcmd.BuildConfigFromFlags("", e.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", e.Kubeconfig, err)
	}
	rc.QPS, rc.Burst = 100, 200
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, servingv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	c, err := client.New(rc, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	kube, err := kubernetes.NewForConfig(rc)
	if err != nil {
		return nil, err
	}
	return &Installation{Env: e, Root: root, PluginProgram: filepath.Join(root, "bin", "kubectl-vdi"), Config: rc, Client: c, Kube: kube}, nil
}

// Beside is another release in the same cluster, whose visitors find its activator at
// its Service: the machine is the cluster's node.
func (in *Installation) Beside(ctx context.Context, r helm.Release) (*Installation, error) {
	other := *in
	other.SystemNamespace = r.Namespace
	service := &corev1.Service{}
	if err := in.Client.Get(ctx, types.NamespacedName{Namespace: r.Namespace, Name: r.Name + "-activator"}, service); err != nil {
		return nil, err
	}
	other.Address = net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(int(service.Spec.Ports[0].Port)))
	return &other, nil
}

// Behind is the same release for visitors who come in at another address, that of an ingress,
// whose certificate is by one of the authorities.
func (in *Installation) Behind(address string, trusts *x509.CertPool) *Installation {
	other := *in
	other.Address, other.Trusts = address, trusts
	return &other
}

// Link makes a session's link as its administrator would: with the plugin.
func (in *Installation) Link(ctx context.Context, key types.NamespacedName, ttl time.Duration) (string, error) {
	out, err := in.Plugin(ctx, "link", key.Name, "--namespace", key.Namespace, "--ttl", ttl.String(), "--system-namespace", in.SystemNamespace)
	return strings.TrimSpace(out), err
}

// Plugin runs the kubectl plugin and returns what it printed.
func (in *Installation) Plugin(ctx context.Context, args ...string) (string, error) {
	if _, err := os.Stat(in.PluginProgram); err != nil {
		return "", fmt.Errorf("%w: build it with make build", err)
	}
	return Output(ctx, in.Root, in.PluginProgram, append(args, "--kubeconfig", in.Kubeconfig)...)
}

// Kubectl is the path of the cluster's own kubectl.
func (in *Installation) Kubectl(ctx context.Context) (string, error) {
	assets, err := Output(ctx, in.Root, filepath.Join(in.Root, "bin", "cluster"), "assets")
	return filepath.Join(strings.TrimSpace(assets), "kubectl"), err
}

// Session waits until the session's object passes check, and returns it.
func (in *Installation) Session(ctx context.Context, key types.NamespacedName, what string, check func(*v1alpha1.VDISession) bool) (*v1alpha1.VDISession, error) {
	var s v1alpha1.VDISession
	err := eventually.Wait(ctx, "session "+key.Name+" to be "+what, func() error {
		if err := in.Client.Get(ctx, key, &s); err != nil {
			return err
		}
		if !check(&s) {
			return errors.New("phase " + string(s.Status.Phase) + ": " + s.Status.Message)
		}
		return nil
	})
	return &s, err
}

// Frozen is a check for Session: its desktop's node has frozen it.
func Frozen(s *v1alpha1.VDISession) bool {
	return s.Status.Phase == v1alpha1.PhaseDozing && s.Status.Doze != nil && s.Status.Doze.FrozenAt != nil
}

// InPhase is a check for Session.
func InPhase(p v1alpha1.Phase) func(*v1alpha1.VDISession) bool {
	return func(s *v1alpha1.VDISession) bool { return s.Status.Phase == p && s.Status.URL != "" }
}
