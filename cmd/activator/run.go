package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/org/vdi-operator/activator"
	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/wake"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
)

const (
	// A wake is one write and must not queue behind reports.
	clientQPS   = 200
	clientBurst = 400
	// idleTimeout closes a visitor's idle keep-alive connection.
	idleTimeout = 2 * time.Minute
	// maxHeaderBytes bounds a request's head, which a held connection keeps: a link
	// and cookies of 4 KiB each fit many times.
	maxHeaderBytes = 64 << 10
	// unreadyFor is how long the activator still accepts after it said that it is
	// not ready, so that load balancers have noticed.
	unreadyFor = 3 * time.Second
	// shutdownTimeout bounds the end of plain requests.
	shutdownTimeout = 15 * time.Second
)

func run(ctx context.Context, f flags, log *slog.Logger) error {
	cfg, err := config.Load(f.config)
	if err != nil {
		return err
	}
	cert, err := readSecret(f.verificationCert, "verification certificate (--verification-cert)")
	if err != nil {
		return err
	}
	verifier, err := token.NewVerifier(cert)
	if err != nil {
		return err
	}
	var turnSecret []byte
	if f.turnSecret != "" {
		if turnSecret, err = readSecret(f.turnSecret, "TURN secret (--turn-secret)"); err != nil {
			return err
		}
		turnSecret = bytes.TrimSpace(turnSecret)
	}
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	restConfig.QPS, restConfig.Burst = clientQPS, clientBurst

	// What watches and writes lives longer than the signal: relayed connections are
	// still reported while they drain.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	api, err := connect(restConfig, cfg)
	if err != nil {
		return err
	}

	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := metrics.NewActivator(reg)
	var keeper *wake.Keeper
	dir := directory.New(cfg.URL.SessionHost, func(key types.NamespacedName) { keeper.Forget(key) })
	keeper = wake.NewKeeper(alive, dir, &wake.StatusWriter{Client: api.client, Directory: dir}, m, log)
	synced, err := dir.Feed(alive, api.cache)
	if err != nil {
		return err
	}
	server := activator.New(activator.Options{
		Config: cfg, Directory: dir, Keeper: keeper,
		Guard:    auth.NewGuard(verifier, cfg.URL.Scheme == "https"),
		Verifier: verifier,
		TURN:     &activator.TURN{Config: cfg.TURN, Secret: turnSecret, Pods: api.cache, Log: log},
		Metrics:  m, Log: log,
	})

	failed := make(chan error, 4)
	go func() { failed <- api.cache.Start(alive) }()
	ready := func() error {
		if ctx.Err() != nil {
			return errors.New("shutting down")
		}
		return allSynced(synced)
	}
	listen := func(addr string, h http.Handler) *http.Server {
		srv := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: cfg.Limits.HeaderTimeout.Duration, IdleTimeout: idleTimeout,
			MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
		go func() {
			if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving %s: %w", addr, err)
			}
		}()
		return srv
	}
	observe := listen(f.metricsAddress, observability(reg, ready))
	defer func() { _ = observe.Close() }()
	if !toolscache.WaitForCacheSync(ctx.Done(), hasSynced(synced)...) {
		return errors.New("stopped before the first listing of sessions and pods was complete")
	}
	internal := listen(f.internalListen, server.Internal())
	defer func() { _ = internal.Close() }()
	public := listen(f.listen, server)
	log.Info("serving", "listen", f.listen, "internal", f.internalListen, "metrics", f.metricsAddress, "domain", cfg.URL.Domain)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down: held clients reconnect elsewhere, live connections go on", "gracePeriod", f.gracePeriod)
	grace, cancel := context.WithTimeout(alive, f.gracePeriod)
	defer cancel()
	time.Sleep(unreadyFor)
	server.StopHolding()
	closing, cancelClosing := context.WithTimeout(grace, shutdownTimeout)
	defer cancelClosing()
	_ = public.Shutdown(closing)
	server.Drain(grace)
	end()
	keeper.Wait()
	return nil
}

func observability(reg *prometheus.Registry, ready func() error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return mux
}

func hasSynced(regs []toolscache.ResourceEventHandlerRegistration) []toolscache.InformerSynced {
	var out []toolscache.InformerSynced
	for _, r := range regs {
		out = append(out, r.HasSynced)
	}
	return out
}

func allSynced(regs []toolscache.ResourceEventHandlerRegistration) error {
	for _, synced := range hasSynced(regs) {
		if !synced() {
			return errors.New("sessions and pods are still being listed")
		}
	}
	return nil
}
