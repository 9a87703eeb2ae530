package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/claims"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/autoscaler"
	"github.com/org/vdi-operator/pkg/controller/desktopnamespace"
	"github.com/org/vdi-operator/pkg/controller/ingress"
	"github.com/org/vdi-operator/pkg/controller/installation"
	"github.com/org/vdi-operator/pkg/controller/knativeready"
	"github.com/org/vdi-operator/pkg/controller/prepull"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/controller/template"
	"github.com/org/vdi-operator/pkg/controller/warmpool"
	vdimetrics "github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/nodeprograms"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/watched"
	"github.com/org/vdi-operator/pkg/workload"
)

// definitionsRetry is the pause between two searches for definitions that are missing.
const definitionsRetry = 5 * time.Second

// neededKinds are the definitions without which the controllers cannot work; without
// Knative they are this product's own.
func neededKinds(cfg config.Config) []schema.GroupVersionKind {
	kinds := []schema.GroupVersionKind{
		v1alpha1.GroupVersion.WithKind(v1alpha1.KindSession),
		v1alpha1.GroupVersion.WithKind("VDITemplate"),
	}
	if !cfg.Knative.Enabled {
		return kinds
	}
	return append(kinds,
		servingv1.SchemeGroupVersion.WithKind("Service"),
		autoscalingv1alpha1.SchemeGroupVersion.WithKind("PodAutoscaler"),
		netv1alpha1.SchemeGroupVersion.WithKind("ServerlessService"),
		netv1alpha1.SchemeGroupVersion.WithKind("Ingress"),
	)
}

// operator adds the controllers to the manager once the cluster has what they need.
// Until then the process lives, is not ready, and says what it waits for.
type operator struct {
	manager  ctrl.Manager
	config   config.Config
	defaults *session.Defaults
	signer   *token.Signer
	metrics  *vdimetrics.Operator
	audit    *audit.Log
	// conditions takes v1alpha1.ConditionDefinitionsPresent.
	conditions *installation.Conditions
	activators session.Activators
	// programs freeze desktops on nodes, where doze.enabled has them.
	programs *nodeprograms.Programs
	// namespaces are those of the configuration, config's those that can be served.
	namespaces *watched.Namespaces
	tracer     trace.Tracer
	// pools keep desktops waiting; controllers makes it.
	pools *warmpool.Reconciler

	started atomic.Bool
}

func (o *operator) ready(*http.Request) error {
	if !o.started.Load() {
		return errors.New("waiting for definitions that desktops need, or for rights in a namespace of sessions; kubectl vdi status says which")
	}
	return nil
}

// start runs in every replica: each gets ready, and only the leader's controllers run.
func (o *operator) start(ctx context.Context) error {
	if err := o.awaitDefinitions(ctx); err != nil {
		return nil //nolint:nilerr // It fails only when the process ends, which is no failure.
	}
	if o.namespaces.Nowhere() {
		return nil // The process starts anew when there is one.
	}
	if err := o.addControllers(ctx); err != nil {
		return err
	}
	o.started.Store(true)
	o.manager.GetLogger().Info("controllers are set up")
	return nil
}

func (o *operator) awaitDefinitions(ctx context.Context) error {
	return wait.PollUntilContextCancel(ctx, definitionsRetry, true, func(context.Context) (bool, error) {
		missing := o.missingDefinition()
		if missing == nil {
			o.conditions.Set(v1alpha1.ConditionDefinitionsPresent, metav1.ConditionTrue, v1alpha1.ReasonPresent,
				"The cluster has every definition that the operator needs.")
			return true, nil
		}
		o.conditions.Set(v1alpha1.ConditionDefinitionsPresent, metav1.ConditionFalse, v1alpha1.ReasonMissing, missing.Error())
		o.manager.GetLogger().Info("the controllers wait for a definition", "why", missing.Error(), "retryAfter", definitionsRetry.String())
		return false, nil
	})
}

func (o *operator) missingDefinition() error {
	for _, kind := range neededKinds(o.config) {
		if _, err := o.manager.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version); err != nil {
			if !meta.IsNoMatchError(err) {
				return fmt.Errorf("%s of %s cannot be searched for: %w", kind.Kind, kind.GroupVersion(), err)
			}
			if kind.Group == v1alpha1.GroupName {
				return fmt.Errorf("%s of %s is not in the cluster: install this chart's CRDs, which helm upgrade does with crds.enabled=true; "+
					"nothing works until then", kind.Kind, kind.GroupVersion())
			}
			return fmt.Errorf("%s of %s is not in the cluster: install Knative Serving %s or later (https://knative.dev/docs/install), or set "+
				"knative.enabled to false; until then no session is made "+
				"and no desktop sleeps or wakes", kind.Kind, kind.GroupVersion(), knativeready.Oldest)
		}
	}
	return nil
}

func (o *operator) addControllers(ctx context.Context) error {
	for _, c := range o.controllers() {
		if err := c.SetupWithManager(ctx, o.manager); err != nil {
			return fmt.Errorf("%T: %w", c, err)
		}
	}
	for _, m := range sessionMetrics(o.manager.GetClient(), o.pools, o.manager.Elected()) {
		if err := metrics.Registry.Register(m); err != nil {
			return err
		}
	}
	return nil
}

type controller interface {
	SetupWithManager(ctx context.Context, mgr ctrl.Manager) error
}

// controllers are this product's and, with Knative, those that it hands to it by its classes.
func (o *operator) controllers() []controller {
	c := o.manager.GetClient()
	owned := &claims.Claims{API: o.manager.GetAPIReader(), Client: c, Installation: o.config.Installation.String(), Conditions: o.conditions, Now: time.Now}
	owned.Report()
	desktops := workload.New(o.config, c, o.manager.GetAPIReader())
	o.pools = &warmpool.Reconciler{Client: c, API: o.manager.GetAPIReader(), Config: o.config, Workload: desktops, Signer: o.signer, Metrics: o.metrics,
		Namespaces: o.namespaces, Claims: owned, Now: time.Now}
	sessions := &session.Reconciler{
		Client: c, API: o.manager.GetAPIReader(), Workload: desktops, Pool: o.pools, Config: o.config, Defaults: o.defaults, Signer: o.signer,
		Events: o.manager.GetEventRecorder("vdi-operator"), Metrics: o.metrics, Audit: o.audit, Now: time.Now, Tracer: o.tracer, Activators: o.activators, Namespaces: o.namespaces, Claims: owned,
		Tidying: rate.NewLimiter(session.TidiedPerSecond, session.TidiedAtOnce),
	}
	if o.config.Doze.Enabled {
		sessions.Programs, sessions.Orders = o.programs, nodeapi.NewClient()
		o.pools.Programs, o.pools.Orders = sessions.Programs, sessions.Orders
	}
	all := []controller{
		sessions,
		o.pools,
		&template.Reconciler{Client: c, Config: o.config, PrePull: o.prePull(), WarmPools: o.pools, Now: time.Now},
		&desktopnamespace.Reconciler{Client: c, API: o.manager.GetAPIReader(), NetworkPolicy: o.config.DesktopNetworkPolicy,
			ProtectFromEviction: o.config.Desktops.ProtectFromEviction, Serves: o.config.Namespaces, Namespaces: o.namespaces, Claims: owned},
	}
	if o.config.Knative.Enabled {
		all = append(all,
			&autoscaler.Reconciler{Client: c},
			&ingress.Reconciler{Client: c, ActivatorHost: o.config.Activator.Host(), Claims: owned})
	}
	return all
}

// prePull is nil where images are not kept on nodes.
func (o *operator) prePull() template.PrePull {
	if !o.config.PrePull.Enabled {
		return nil
	}
	return &prepull.Keeper{Client: o.manager.GetClient(), API: o.manager.GetAPIReader(), Config: o.config}
}
