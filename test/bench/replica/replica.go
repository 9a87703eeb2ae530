// Package replica runs one replica of the activator, and of the operator where a benchmark
// wants it, as processes on this machine: the real programs, a real API server and etcd of
// their own, and sessions whose desktops are processes of the benchmark.
//
// No kubelet runs, and none of Kubernetes' controllers. What they and, without it, the
// operator would write when a desktop wakes, the benchmark writes: Wanted and Appear.
package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/apitest"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/keyset"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
	"github.com/org/vdi-operator/test/bench/process"
)

const (
	// Namespace is the installation's, and where benchmarks have their sessions.
	Namespace = "bench"
	// startWithin bounds the start of a program.
	startWithin = 2 * time.Minute
	// These are where make runs this.
	crds             = "config/crd"
	activatorProgram = "bin/activator"
)

// sessions are at hosts below this domain.
var sessions = config.URL{Scheme: "http", Routing: config.RoutingHost, Domain: "vdi.localhost"}

// World is what an activator needs around it.
type World struct {
	env    *envtest.Environment
	client client.WithWatch
	signer *token.Signer
	dir    string
	// operators says that the operator's user is there.
	operators bool
}

// Run is how a program runs otherwise than a benchmark's does.
type Run struct {
	// Env and Args are added to its environment and to its arguments.
	Env, Args []string
	// Log takes what it says; nil keeps that for its end.
	Log io.Writer
	// Change changes its configuration; nil does not.
	Change func(*config.Config)
}

// KubeConfig is an administrator's file.
func (w *World) KubeConfig() string { return w.path("kubeconfig") }

// Client is an administrator's.
func (w *World) Client() client.WithWatch { return w.client }

// Config is how an administrator reaches the API server.
func (w *World) Config() *rest.Config { return w.env.Config }

// Begin starts an API server. Call it from the repository's root; End ends it.
func Begin(ctx context.Context) (*World, error) {
	ctrl.SetLogger(logr.Discard())
	env, err := apitest.Start(crds)
	if err != nil {
		return nil, err
	}
	w := &World{env: env}
	if err := w.prepare(ctx); err != nil {
		return nil, fmt.Errorf("preparing the API server at %s: %w", env.Config.Host, errors.Join(err, w.End()))
	}
	return w, nil
}

func (w *World) prepare(ctx context.Context) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	var err error
	if w.client, err = client.NewWithWatch(w.env.Config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if err := w.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}); err != nil {
		return err
	}
	if w.dir, err = os.MkdirTemp("", "vdi-bench-"); err != nil {
		return err
	}
	key, err := tokentest.NewKey()
	if err != nil {
		return err
	}
	if w.signer, err = token.NewSigner(key); err != nil {
		return err
	}
	public, err := tokentest.PublicKey(key)
	if err != nil {
		return err
	}
	// The operator's is the same.
	signing := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: config.Default().Keys.Signing.Secret},
		Type: corev1.SecretTypeTLS, Data: map[string][]byte{corev1.TLSPrivateKeyKey: key, corev1.TLSCertKey: public}}
	if err := w.client.Create(ctx, signing); err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"kubeconfig": w.env.KubeConfig,
		"tls.crt":    public,
		"visits":     keyset.New().Bytes(),
	} {
		if err := os.WriteFile(w.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) path(name string) string { return filepath.Join(w.dir, name) }

// End ends the API server.
func (w *World) End() error {
	return errors.Join(w.env.Stop(), os.RemoveAll(w.dir))
}

// Activator is a running replica.
type Activator struct {
	*process.Process
	// Address is where visitors come, Metrics where its metrics are; host and port.
	Address, Metrics string
}

// Roomy are limits that let this many connections in at once from one address and of
// one user.
func Roomy(connections int) config.Limits {
	l := config.Default().Limits
	l.HeldConnections, l.HeldConnectionsPerSession = connections, connections
	l.LiveWebSockets, l.LiveWebSocketsPerSession = connections, connections
	l.LiveRequests, l.LiveRequestsPerSession = connections, connections
	l.PendingConnections, l.PendingConnectionsPerAddress = connections, connections
	l.HeldBytes, l.HeldBytesPerSession = 1<<30, 1<<30
	plenty := config.Rate{PerSecond: float64(connections), Burst: connections}
	l.UpgradesPerUser, l.UpgradesPerAddress = plenty, plenty
	return l
}

// Activator starts a replica with these limits, and env besides its environment, and
// returns when it is ready.
func (w *World) Activator(ctx context.Context, limits config.Limits, env ...string) (*Activator, error) {
	return w.RunActivator(ctx, limits, Run{Env: env})
}

// RunActivator is Activator for who wants more of it.
func (w *World) RunActivator(ctx context.Context, limits config.Limits, r Run) (*Activator, error) {
	cfg := base()
	cfg.Limits = limits
	// The benchmarks' visitors come from this machine's own addresses. None is a proxy's.
	cfg.TrustedProxies = []string{}
	r.change(&cfg)
	raw, err := yaml.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(w.path("config.yaml"), raw, 0o600); err != nil {
		return nil, err
	}
	var at [3]string
	for i := range at {
		if at[i], err = FreeAddress(); err != nil {
			return nil, err
		}
	}
	args := []string{"--config", w.path("config.yaml"), "--verification-cert", w.path("tls.crt"), "--visit-keys", w.path("visits"), "--turn-secret", "",
		"--listen", at[0], "--internal-listen", at[1], "--metrics-bind-address", at[2], "--grace-period", "1s", "--shutdown-delay", "0s"}
	p, err := process.StartTo(ctx, r.Log, append(r.Env, "KUBECONFIG="+w.KubeConfig()), activatorProgram, append(args, r.Args...)...)
	if err != nil {
		return nil, err
	}
	if err := awaitReady(ctx, p, "the activator", func() error { return accepts("http://"+at[2]+"/readyz", at[0]) }); err != nil {
		return nil, fmt.Errorf("the activator is not ready: %w\n%s", err, p.End())
	}
	return &Activator{Process: p, Address: at[0], Metrics: at[2]}, nil
}

// base is what the configurations of both programs have in common: the operator looks for the
// activators of its own installation.
func base() config.Config {
	cfg := config.Default()
	cfg.URL, cfg.Installation.Namespace = sessions, Namespace
	return cfg
}

func (r Run) change(cfg *config.Config) {
	if r.Change != nil {
		r.Change(cfg)
	}
}

// answers says whether a program is ready.
func answers(ready string) error {
	resp, err := http.Get(ready)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", ready, resp.Status)
	}
	return nil
}

func accepts(ready, visitors string) error {
	if err := answers(ready); err != nil {
		return err
	}
	conn, err := net.Dial("tcp", visitors)
	if err != nil {
		return err
	}
	return conn.Close()
}

// FreeAddress is a loopback address that nobody listens at.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Await waits until check returns nil, for as long as a program may take to start.
func Await(ctx context.Context, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return eventually.Wait(ctx, what, check)
}

// errEnded says that a program ended before it was ready.
var errEnded = errors.New("it has ended")

// awaitReady is Await for a program that was started, which may end instead.
func awaitReady(ctx context.Context, p *process.Process, what string, check func() error) error {
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.Ended():
			cancel(errEnded)
		case <-running.Done():
		}
	}()
	return Await(running, what, check)
}
