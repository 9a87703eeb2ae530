package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/org/vdi-operator/activator"
	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/clientcache"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/turnconfig"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apiserver"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/tracing"
)

const (
	// A wake is one write and must not queue behind reports.
	clientQPS   = 200
	clientBurst = 400
)

// run serves until ctx ends, and then until the last live connection has, within the
// grace period.
func run(ctx context.Context, f flags, log *slog.Logger) error {
	in, err := readInputs(f, log)
	if err != nil {
		return err
	}
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	restConfig.QPS, restConfig.Burst = clientQPS, clientBurst

	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics.RegisterBuildInfo(reg)
	m := metrics.NewActivator(reg, closing.Labels()...)
	m.HeldLimit.Set(float64(in.config.Limits.HeldConnections))

	ready := &readiness{stopping: ctx}
	metrics.RegisterReady(reg, ready.check)
	serve := serving{admission: listener.New(in.config.Limits, in.proxies, m, log), failed: make(chan error, 5)}
	observe, err := serve.inCluster(f.metricsAddress, observability(reg, ready.check))
	if err != nil {
		return err
	}
	defer func() { _ = observe.Close() }()
	if f.pprofAddress != "" {
		profiles, err := serve.inCluster(f.pprofAddress, profiling())
		if err != nil {
			return err
		}
		defer func() { _ = profiles.Close() }()
	}
	tracer, stopTracing, err := tracing.Start(ctx, in.config.Tracing, "vdi-activator", log)
	if err != nil {
		return err
	}
	defer stopTracing()
	err = apiserver.Await(ctx, restConfig, func(err error) {
		log.Warn("the API server does not answer; waiting for it", "error", err)
	})
	if err != nil {
		return fmt.Errorf("waiting for the API server: %w", err)
	}

	// What watches and writes lives longer than the signal: relayed connections are
	// still reported while they drain.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	api, err := connect(restConfig, in.config)
	if err != nil {
		return err
	}

	var tracker *wake.Tracker
	clients := clientcache.New(in.config.Limits.ClientCacheBytes, m)
	dir := directory.New(in.config.URL.SessionAddress, func(key types.NamespacedName) {
		tracker.Forget(key)
		clients.Forget(key)
	})
	writer := &record.Writer{Client: api.client, Directory: dir}
	tracker = wake.NewTracker(alive, dir, writer, m, log)
	tracker.Tracer = tracer
	listings, err := dir.Feed(alive, api.cache)
	if err != nil {
		return err
	}
	server := activator.New(activator.Options{
		Config: in.config, Proxies: in.proxies, Directory: dir, Tracker: tracker, Viewers: writer, Clients: clients,
		Guard:    auth.NewGuard(in.verifier, in.config.URL),
		Verifier: in.verifier,
		TURN:     &turnconfig.Server{Config: in.config.TURN, Secret: in.turnSecret.read, Pods: api.cache, Log: log},
		Metrics:  m, Log: log,
	})

	ready.lists(listings)
	go func() { serve.failed <- api.cache.Start(alive) }()
	if err := ready.await(); err != nil {
		return err
	}
	internal, err := serve.inCluster(f.internalListen, server.Internal())
	if err != nil {
		return err
	}
	defer func() { _ = internal.Close() }()
	public, err := serve.public(f.listen, server)
	if err != nil {
		return err
	}
	log.Info("serving", "listen", f.listen, "internal", f.internalListen, "metrics", f.metricsAddress, "domain", in.config.URL.Domain)

	select {
	case err := <-serve.failed:
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down: held clients reconnect elsewhere, live connections go on", "gracePeriod", f.gracePeriod)
	grace, cancel := context.WithTimeout(alive, f.gracePeriod)
	defer cancel()
	shutdown(grace, public, server)
	end()
	tracker.Wait()
	return nil
}
