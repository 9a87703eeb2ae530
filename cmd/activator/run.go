package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/org/vdi-operator/activator"
	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/auth/issuers"
	"github.com/org/vdi-operator/activator/clientcache"
	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/listener"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/activator/signins"
	"github.com/org/vdi-operator/activator/turnconfig"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/apiserver"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/health"
	"github.com/org/vdi-operator/pkg/listening"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/tracing"
)

const (
	// A wake is one write and must not queue behind reports.
	clientQPS   = 200
	clientBurst = 400
)

// run reads in the order of starting and ending. It starts the probes and metrics, which
// report the waits; the API server's cache; once all sessions and pods are listed, the
// listener for desktops; the visitors' listener last. After the signal, shutdown drains
// what visitors use. The cache, the tracker and the other listeners end after it, because
// relayed connections are reported while they drain; traces are sent last. Only a failure
// before the signal ends everything without a drain.
func run(ctx context.Context, f flags, log *slog.Logger) error {
	if err := f.validate(); err != nil {
		return err
	}
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

	tracer, stopTracing, err := tracing.Start(ctx, in.config.Tracing, "vdi-activator", log)
	if err != nil {
		return err
	}
	defer stopTracing()
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	group, failed := errgroup.WithContext(alive)
	serve := serving{alive: alive, group: group, admit: func(p listener.Proxies) *listener.Admission {
		return listener.New(in.config.Limits, p, m, log)
	}}
	if err := serve.inCluster(f.metricsAddress, health.Handler(reg, nil, ready.check)); err != nil {
		return err
	}
	if f.pprofAddress != "" {
		if err := serve.inCluster(f.pprofAddress, profiling()); err != nil {
			return err
		}
	}
	err = apiserver.Await(ctx, restConfig, func(err error) {
		log.Warn("the API server does not answer; waiting for it", "error", err)
	})
	if err != nil {
		return fmt.Errorf("waiting for the API server: %w", err)
	}
	api, err := connect(restConfig, in.config, log)
	if err != nil {
		return err
	}
	server, tracker, listings, err := assemble(alive, in, api, m, tracer, log)
	if err != nil {
		return err
	}
	ready.lists(listings)
	api.start(alive, group)
	if err := ready.await(); err != nil {
		return err
	}
	if err := serve.inCluster(f.internalListen, server.Internal()); err != nil {
		return err
	}
	public, err := serve.public(f.listen, in.proxies, f.keepAlive, server)
	if err != nil {
		return err
	}
	for _, follow := range []func(context.Context){in.certificate.Follow, in.visits.Follow} {
		group.Go(func() error {
			follow(alive)
			return nil
		})
	}
	renewer := &listening.Renewer{Leases: api.client, Installation: in.config.Installation,
		Pod: listening.Pod{Name: f.podName, UID: types.UID(f.podUID)}, Log: log}
	group.Go(func() error {
		renewer.Run(ctx)
		return nil
	})
	log.Info("serving", "listen", f.listen, "internal", f.internalListen, "metrics", f.metricsAddress, "domain", in.config.URL.Domain)

	select {
	case <-failed.Done():
		return context.Cause(failed)
	case <-ctx.Done():
	}
	log.Info("shutting down: held clients reconnect elsewhere, live connections go on", "gracePeriod", f.gracePeriod)
	grace, cancel := context.WithTimeout(alive, f.gracePeriod)
	defer cancel()
	shutdown(grace, f.delay(), public, server)
	end()
	tracker.Wait()
	_ = group.Wait() // a failure during the drain does not make this end a failed one
	return nil
}

// assemble makes what serves visitors and desktops; the tracker writes until alive ends.
func assemble(alive context.Context, in inputs, api *api, m *metrics.Activator, tracer trace.Tracer, log *slog.Logger) (
	*activator.Server, *wake.Tracker, []toolscache.InformerSynced, error,
) {
	var tracker *wake.Tracker
	cfg := in.config
	clients := clientcache.New(cfg.Limits.ClientCacheBytes, auth.NewFilter(cfg.Passed, auth.ForwardedFields(cfg.Auth.Forwarded)...), m)
	dir := directory.New(cfg.URL.SessionAddress, func(key types.NamespacedName) {
		tracker.Forget(key)
		clients.Forget(key)
	})
	writer := &record.Writer{Client: api.client, Directory: dir}
	tracker = wake.NewTracker(alive, dir, writer, m, log)
	tracker.Tracer = tracer
	options := auth.Options{Verifier: in.certificate.Verifier, Visits: in.visits.keys, URL: cfg.URL, Auth: cfg.Auth, Shares: writer}
	if programs := issuers.New(cfg.Auth.Issuers, log); programs != nil {
		options.Issuers = programs
		go programs.Run(alive)
	}
	var signIns *signins.Store
	if api.signIns != nil {
		signIns = signins.New()
		options.SignIns = signIns
	}
	server := activator.New(activator.Options{
		Config: cfg, Proxies: in.proxies, Directory: dir, Tracker: tracker, Viewers: writer, Clients: clients,
		Guard: auth.NewGuard(options), SignIns: signIns, Verifier: in.certificate.Verifier,
		TURN:    &turnconfig.Server{Config: cfg.TURN, Secret: in.turnSecret.read, Pods: api.coturn, Log: log},
		Metrics: m, Log: log, Audit: audit.New(os.Stdout, cfg.Audit.Enabled),
	})
	// Once everybody observes who has to.
	listings, err := api.feed(alive, dir, signIns)
	return server, tracker, listings, err
}
