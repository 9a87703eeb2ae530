package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/session"
	vdimetrics "github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/tracing"
)

const (
	// queriesPerSecond and burst let many desktops wake at once; the API server has
	// its own, fairer limits.
	queriesPerSecond = 100
	burst            = 200

	electionID = "vdi-operator"
	// leaseDuration is how long a leader that died keeps the others waiting; one that
	// is stopped gives the lease back at once. Desktops run on meanwhile.
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

func run(ctx context.Context, f flags, log *slog.Logger) error {
	cfg, err := config.Load(f.config)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(f.signingKey)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	signer, err := token.NewSigner(key)
	if err != nil {
		return err
	}
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("no way to reach the cluster: run in it, or set KUBECONFIG: %w", err)
	}
	restConfig.QPS, restConfig.Burst = queriesPerSecond, burst

	tracer, stopTracing, err := tracing.Start(ctx, cfg.Tracing, "vdi-operator", log)
	if err != nil {
		return err
	}
	defer stopTracing()
	if err := awaitAPI(ctx, restConfig, f.probeAddress, ctrl.Log); err != nil {
		return err
	}

	scheme, err := newScheme()
	if err != nil {
		return err
	}
	lease, renew, retry := leaseDuration, renewDeadline, retryPeriod
	mgr, err := ctrl.NewManager(restConfig, manager.Options{
		Scheme:                        scheme,
		Cache:                         cacheOptions(cfg),
		Client:                        clientOptions(cfg),
		Metrics:                       metricsserver.Options{BindAddress: f.metricsAddress},
		HealthProbeBindAddress:        f.probeAddress,
		PprofBindAddress:              f.pprofAddress,
		LeaderElection:                f.leaderElect,
		LeaderElectionID:              electionID,
		LeaderElectionNamespace:       f.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
	})
	if err != nil {
		return err
	}
	vdimetrics.RegisterBuildInfo(metrics.Registry)
	counters, clocks := vdimetrics.NewOperator(metrics.Registry), session.NewClocks(cfg.Sessions)
	conditions, err := reportInstallation(mgr, cfg, counters)
	if err != nil {
		return err
	}
	operator := &operator{manager: mgr, config: cfg, clocks: clocks, signer: signer, metrics: counters, conditions: conditions, tracer: tracer}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("controllers", operator.ready); err != nil {
		return err
	}
	if err := mgr.Add(reload(f.config, cfg.Sessions, clocks, counters, conditions, mgr.GetLogger())); err != nil {
		return err
	}
	if err := mgr.Add(operator); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
