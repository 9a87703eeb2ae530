package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/keys"
	"github.com/org/vdi-operator/pkg/listening"
	vdimetrics "github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeprograms"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/tracing"
)

// electionID names the Lease. Its times are controller-runtime's: a leader that died keeps
// the others waiting for 15 s; one that is stopped gives the lease back at once.
// Desktops run on meanwhile.
const electionID = "vdi-operator"

func run(ctx context.Context, f flags, log *slog.Logger) error {
	cfg, err := config.Load(f.config)
	if err != nil {
		return err
	}
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("no way to reach the cluster: run in it, or set KUBECONFIG: %w", err)
	}
	// A wake must not queue in the client behind a change of every session. The controllers'
	// workers bound what is on its way, and the API server has its own, fairer limits.
	restConfig.QPS = -1
	restConfig.WarningHandlerWithContext = newWarnings()

	tracer, stopTracing, err := tracing.Start(ctx, cfg.Tracing, "vdi-operator", log)
	if err != nil {
		return err
	}
	defer stopTracing()
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	keeper, signer, err := begin(ctx, restConfig, scheme, cfg, f.manager.HealthProbeBindAddress)
	if err != nil {
		return err
	}
	namespaces, err := findNamespaces(ctx, restConfig, scheme, &cfg)
	if err != nil {
		return err
	}
	options := f.manager
	options.Scheme, options.Client = scheme, clientOptions(cfg)
	options.Cache, options.NewCache = cacheOptions(cfg), newCache
	options.LeaderElectionID, options.LeaderElectionReleaseOnCancel = electionID, true
	mgr, err := ctrl.NewManager(restConfig, options)
	if err != nil {
		return err
	}
	vdimetrics.RegisterBuildInfo(metrics.Registry)
	counters, defaults := vdimetrics.NewOperator(metrics.Registry), session.NewDefaults(cfg.Sessions)
	conditions, err := reportInstallation(mgr, cfg, counters)
	if err != nil {
		return err
	}
	activators := listening.NewRecord(time.Now())
	vdimetrics.RegisterActivatorsListening(metrics.Registry, func() int { return activators.Activators(time.Now()) })
	watch := &listening.Watch{
		Config: mgr.GetConfig(), Options: cache.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: scheme, Mapper: mgr.GetRESTMapper()},
		Installation: cfg.Installation, Record: activators, Conditions: conditions, Returned: defaults.Look, Now: time.Now,
	}
	programs := nodeprograms.New()
	if cfg.Doze.Enabled {
		dozing := &nodeprograms.Watch{Config: mgr.GetConfig(), Options: cache.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: scheme, Mapper: mgr.GetRESTMapper()},
			Namespace: cfg.Installation.Namespace, Selector: cfg.Doze.Selector, Programs: programs}
		if err := mgr.Add(everyReplica(dozing.Start)); err != nil {
			return err
		}
	}
	operator := &operator{programs: programs, manager: mgr, config: cfg, defaults: defaults, signer: signer, metrics: counters, conditions: conditions, audit: audit.New(os.Stdout, cfg.Audit.Enabled),
		activators: activators, namespaces: namespaces, tracer: tracer}
	ctx, restart := context.WithCancel(ctx)
	defer restart()
	err = errors.Join(mgr.Add(everyReplica(watch.Start)), mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("controllers", operator.ready),
		mgr.Add(reload(f.config, cfg.Sessions, defaults, counters, conditions, mgr.GetLogger())), mgr.Add(everyReplica(operator.start)),
		mgr.Add(operator.watchNamespaces(restart)),
		mgr.Add(everyReplica(func(ctx context.Context) error {
			keeper.Follow(ctx, conditions, defaults.Look)
			return nil
		})))
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// begin returns when the API server is there, and a key that signs. It answers kubelet at
// probes meanwhile; after that the manager does.
func begin(ctx context.Context, rc *rest.Config, scheme *runtime.Scheme, cfg config.Config, probes string) (*keys.Keeper, *token.Signer, error) {
	waiting := answerProbes(probes, ctrl.Log)
	defer waiting.end()
	if err := waiting.api(ctx, rc); err != nil {
		return nil, nil, err
	}
	c, err := client.New(rc, client.Options{Scheme: scheme})
	if err != nil {
		return nil, nil, fmt.Errorf("client without a cache: %w", err)
	}
	keeper := &keys.Keeper{Client: c, Installation: cfg.Installation, Keys: cfg.Keys, Log: ctrl.Log, Now: time.Now}
	signer, err := waiting.keys(ctx, keeper)
	return keeper, signer, err
}
