//go:build integration

// Package integration runs the controllers against a real kube-apiserver and etcd,
// with the definitions of this product and of Knative. Knative's own controllers do
// not run: what they would write, the tests write.
package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/apitest"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/autoscaler"
	"github.com/org/vdi-operator/pkg/controller/desktopnamespace"
	"github.com/org/vdi-operator/pkg/controller/ingress"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/controller/template"
	"github.com/org/vdi-operator/pkg/controller/warmpool"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/nodeprograms"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
	"github.com/org/vdi-operator/pkg/tracing"
	"github.com/org/vdi-operator/pkg/workload"
)

const (
	// knativeOperator is the Knative Operator's module, of Knative Serving's release.
	knativeOperator = "knative.dev/operator@v0.50.0"
	// leastConfiguration leaves everything at its default, inDefault but the namespace.
	leastConfiguration = "url: {domain: vdi.example.com}\n"
	inDefault          = "installation: {namespace: default}\n"
	// unserved is a namespace whose sessions these controllers do not see: there tests
	// reconcile by hand, as an operator that can be stopped.
	unserved = "unserved"
)

// definitionsOfOurs is the folder with this product's CRDs.
var definitionsOfOurs = filepath.Join("..", "..", "config", "crd")

// cluster is the real API server, api a client of it without a cache.
var (
	cluster *envtest.Environment
	api     client.WithWatch
)

// recorder sends Events to it.
var recorder events.EventRecorder

// defaults are the controllers' defaults, configuration the file that changes them, and
// reloads what became of its changes.
var (
	defaults      *session.Defaults
	configuration string
	reloads       = make(chan error, 8)
)

// spans are the controllers' and what tests record with tracer.
var (
	spans  = tracetest.NewInMemoryExporter()
	tracer = tracing.Of(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), tracing.Sampled(1)))
)

// programs are those on nodes that the controllers know: tests add theirs.
var programs = nodeprograms.New()

// verifier checks what the controllers sign.
var verifier *token.Verifier

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	defer func() {
		if programFolder != "" {
			_ = os.RemoveAll(programFolder)
		}
	}()
	crds, err := definitions()
	if err != nil {
		return 1, err
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if cluster, err = apitest.Start(crds...); err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := cluster.Stop(); err == nil && stopErr != nil {
			err = fmt.Errorf("stop the control plane: %w", stopErr)
		}
	}()

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, v1alpha1.AddToScheme, servingv1.AddToScheme, autoscalingv1alpha1.AddToScheme, netv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return 1, err
		}
	}
	if api, err = client.NewWithWatch(cluster.Config, client.Options{Scheme: scheme}); err != nil {
		return 1, err
	}
	mgr, err := ctrl.NewManager(cluster.Config, ctrl.Options{
		Scheme: scheme, Cache: everywhereElse(), Metrics: metricsserver.Options{BindAddress: "0"},
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Service{}}}},
	})
	if err != nil {
		return 1, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := addControllers(ctx, mgr); err != nil {
		cancel()
		return 1, err
	}
	stopWatching, err := watchConfiguration(ctx)
	if err != nil {
		cancel()
		return 1, err
	}
	defer stopWatching()
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	defer func() {
		cancel()
		if managerErr := <-ended; err == nil {
			err = managerErr
		}
	}()
	return m.Run(), nil
}

// everywhereElse watches all namespaces but those of installations of their own.
func everywhereElse() cache.Options {
	var not []fields.Selector
	for _, namespace := range apart {
		not = append(not, fields.OneTermNotEqualSelector("metadata.namespace", namespace))
	}
	return cache.Options{DefaultNamespaces: map[string]cache.Config{cache.AllNamespaces: {FieldSelector: fields.AndSelectors(not...)}}}
}

// ofOthers are the namespaces of installations of their own.
type ofOthers struct{}

func (ofOthers) Other(_ context.Context, namespace string) (string, error) {
	if slices.Contains(apart, namespace) {
		return "another", nil
	}
	return "", nil
}

func addControllers(ctx context.Context, mgr ctrl.Manager) error {
	signer, err := tokentest.NewSigner()
	if err != nil {
		return err
	}
	verifier = signer.Verifier()

	cfg, err := config.Parse([]byte(leastConfiguration))
	if err != nil {
		return err
	}
	defaults = session.NewDefaults(cfg.Sessions)
	counters := metrics.NewOperator(prometheus.NewRegistry())
	c := mgr.GetClient()
	recorder = mgr.GetEventRecorder("vdi-operator")
	desktops := workload.New(cfg, c, mgr.GetAPIReader())
	pools := &warmpool.Reconciler{Client: c, API: mgr.GetAPIReader(), Config: cfg, Workload: desktops, Signer: signer, Metrics: counters,
		Claims: ofOthers{}, Programs: programs, Orders: nodeapi.NewClient(), Now: time.Now}
	sessions := &session.Reconciler{
		Client: c, API: mgr.GetAPIReader(), Workload: desktops, Pool: pools, Config: cfg, Defaults: defaults, Signer: signer,
		Events: recorder, Metrics: counters, Now: time.Now, Tracer: tracer, Programs: programs, Orders: nodeapi.NewClient(),
	}
	if err := sessions.SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	here, err := config.Parse([]byte(leastConfiguration + inDefault))
	if err != nil {
		return err
	}
	if err := (&template.Reconciler{Client: c, Config: here, WarmPools: pools, Now: time.Now}).SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	if err := pools.SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	if err := (&autoscaler.Reconciler{Client: c}).SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	network, err := config.Parse([]byte(leastConfiguration + desktopNetwork))
	if err != nil {
		return err
	}
	if err := (&desktopnamespace.Reconciler{Client: c, API: mgr.GetAPIReader(), NetworkPolicy: network.DesktopNetworkPolicy, ProtectFromEviction: true}).SetupWithManager(ctx, mgr); err != nil {
		return err
	}
	return (&ingress.Reconciler{Client: c, ActivatorHost: cfg.Activator.Host()}).SetupWithManager(ctx, mgr)
}

// watchConfiguration does what cmd/operator does, with a file that tests change.
func watchConfiguration(ctx context.Context) (stop func(), err error) {
	dir, err := os.MkdirTemp("", "vdi-configuration")
	if err != nil {
		return nil, err
	}
	configuration = filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(configuration, []byte(leastConfiguration), 0o600); err != nil {
		return nil, err
	}
	w := &config.Watcher{Path: configuration, Every: glance, Sessions: config.Default().Sessions, Log: ctrl.Log,
		Changed: defaults.Set, Reloaded: func(err error) { reloads <- err }}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	return func() {
		cancel()
		<-ended
		_ = os.RemoveAll(dir)
	}, nil
}

// definitions are the folders and files with this product's CRDs and, from the
// modules that the controllers are built with, Knative's.
func definitions() ([]string, error) {
	paths, err := apitest.Knative()
	if err != nil {
		return nil, err
	}
	// No program of this product is built with it, so go.mod does not name it.
	out, err := exec.Command("go", "mod", "download", "-json", knativeOperator).Output()
	if err != nil {
		return nil, fmt.Errorf("download the module %s: %w", knativeOperator, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, err
	}
	return append(paths, definitionsOfOurs, filepath.Join(module.Dir, "config/crd/bases/operator.knative.dev_knativeservings.yaml")), nil
}
