package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/autoscaler"
	"github.com/org/vdi-operator/pkg/controller/ingress"
	"github.com/org/vdi-operator/pkg/controller/knativeconfig"
	"github.com/org/vdi-operator/pkg/controller/session"
	vdimetrics "github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/workload"
)

// definitionsRetry is how often definitions that are missing are looked for.
const definitionsRetry = 5 * time.Second

// neededKinds are the definitions without which no controller can work.
var neededKinds = []schema.GroupVersionKind{
	v1alpha1.GroupVersion.WithKind("VDISession"),
	v1alpha1.GroupVersion.WithKind("VDITemplate"),
	servingv1.SchemeGroupVersion.WithKind("Service"),
	autoscalingv1alpha1.SchemeGroupVersion.WithKind("PodAutoscaler"),
	netv1alpha1.SchemeGroupVersion.WithKind("ServerlessService"),
	netv1alpha1.SchemeGroupVersion.WithKind("Ingress"),
}

// operator adds the controllers to the manager once the cluster has what they need.
// Until then the process lives, is not ready, and says what it waits for.
type operator struct {
	manager ctrl.Manager
	config  config.Config
	clocks  *session.Clocks
	signer  *token.Signer
	metrics *vdimetrics.Operator
	tracer  trace.Tracer

	started atomic.Bool
}

var (
	_ manager.Runnable               = (*operator)(nil)
	_ manager.LeaderElectionRunnable = (*operator)(nil)
)

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica gets
// ready, only the leader's controllers run.
func (o *operator) NeedLeaderElection() bool { return false }

var errNotStarted = errors.New("waiting for the definitions of Knative Serving and of this product; see the log")

func (o *operator) ready(*http.Request) error {
	if !o.started.Load() {
		return errNotStarted
	}
	return nil
}

// Start implements manager.Runnable.
func (o *operator) Start(ctx context.Context) error {
	if err := o.awaitDefinitions(ctx); err != nil {
		return nil //nolint:nilerr // It fails only when the process ends, which is no failure.
	}
	if err := o.addControllers(ctx); err != nil {
		return err
	}
	o.started.Store(true)
	o.manager.GetLogger().Info("controllers are set up")
	return nil
}

func (o *operator) awaitDefinitions(ctx context.Context) error {
	tick := time.NewTicker(definitionsRetry)
	defer tick.Stop()
	for {
		missing := o.missingDefinition()
		if missing == nil {
			return nil
		}
		o.manager.GetLogger().Info("a definition that desktops need is not in the cluster; install Knative Serving and this product's CRDs",
			"missing", missing.Error(), "retryAfter", definitionsRetry.String())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (o *operator) missingDefinition() error {
	for _, kind := range neededKinds {
		if _, err := o.manager.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version); err != nil {
			if meta.IsNoMatchError(err) {
				return fmt.Errorf("%s %s", kind.GroupVersion(), kind.Kind)
			}
			return err
		}
	}
	return nil
}

func (o *operator) addControllers(ctx context.Context) error {
	mgr, c := o.manager, o.manager.GetClient()
	events := mgr.GetEventRecorder("vdi-operator")

	sessions := &session.Reconciler{
		Client: c, Workload: &workload.Knative{Client: c}, Config: o.config, Clocks: o.clocks, Signer: o.signer,
		Events: events, Metrics: o.metrics, Now: time.Now, Tracer: o.tracer,
	}
	if err := sessions.SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("session controller: %w", err)
	}
	if err := (&autoscaler.Reconciler{Client: c, Now: time.Now, Tracer: o.tracer}).SetupWithManager(ctx, mgr); err != nil {
		return fmt.Errorf("autoscaler controller: %w", err)
	}
	if err := (&ingress.Reconciler{Client: c, ActivatorHost: o.config.Activator.Host()}).SetupWithManager(mgr); err != nil {
		return fmt.Errorf("ingress controller: %w", err)
	}
	if o.config.Knative.ApplyConfig {
		knative := &knativeconfig.Reconciler{Client: c, Namespace: o.config.Knative.Namespace, Events: events, Metrics: o.metrics}
		if err := knative.SetupWithManager(mgr); err != nil {
			return fmt.Errorf("knativeconfig controller: %w", err)
		}
	}
	for _, m := range sessionMetrics(c, mgr.Elected()) {
		if err := metrics.Registry.Register(m); err != nil {
			return err
		}
	}
	return nil
}
