package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/org/vdi-operator/pkg/apiserver"
	"github.com/org/vdi-operator/pkg/audit"
	"github.com/org/vdi-operator/pkg/health"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/portal"
	"github.com/org/vdi-operator/pkg/portal/pages"
	"github.com/org/vdi-operator/pkg/portal/provider"
	"github.com/org/vdi-operator/pkg/portal/signins"
)

const (
	clientQPS   = 100
	clientBurst = 200
)

// run reads in the order of starting and ending. The identity provider is not waited for:
// while it is away, those who have signed in go on.
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
	m := metrics.NewPortal(reg, portal.Reasons()...)
	ready := &readiness{stopping: ctx}
	metrics.RegisterPortalReady(reg, ready.check)

	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	group, failed := errgroup.WithContext(alive)
	serve := serving{alive: alive, group: group}
	if _, err := serve.serve(f.metricsAddress, health.Handler(reg, nil, ready.check)); err != nil {
		return err
	}
	err = apiserver.Await(ctx, restConfig, func(err error) {
		log.Warn("the API server does not answer; waiting for it", "error", err)
	})
	if err != nil {
		return fmt.Errorf("waiting for the API server: %w", err)
	}
	api, err := connect(restConfig, in.config)
	if err != nil {
		return err
	}
	if err := api.watch(alive); err != nil {
		return err
	}
	group.Go(func() error { return api.cache.Start(alive) })
	if err := api.await(ctx); err != nil {
		return err
	}
	p := assemble(in, api, m, log)
	metrics.RegisterSignInsLive(reg, func() int { return p.recheck.Store.Live(alive) })
	for _, work := range []func(context.Context){p.provider.Run, p.recheck.Run, in.keys.Follow} {
		group.Go(func() error {
			work(alive)
			return nil
		})
	}
	internal, err := serve.serve(f.internalListen, p.server.Internal())
	if err != nil {
		return err
	}
	public, err := serve.serve(f.listen, p.server)
	if err != nil {
		return err
	}
	ready.serves.Store(true)
	log.Info("serving", "listen", f.listen, "internal", f.internalListen, "metrics", f.metricsAddress, "host", in.config.Portal.Host)

	select {
	case <-failed.Done():
		return context.Cause(failed)
	case <-ctx.Done():
	}
	log.Info("shutting down")
	shutdown(alive, f.shutdownDelay, public, internal)
	end()
	_ = group.Wait() // a failure during the end does not make it a failed one
	return nil
}

// shutdown takes connections until load balancers have noticed, and waits for requests.
func shutdown(ctx context.Context, delay time.Duration, servers ...*http.Server) {
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	for _, srv := range servers {
		_ = srv.Shutdown(ctx)
	}
}

// program is what runs.
type program struct {
	provider *provider.Provider
	recheck  *signins.Recheck
	server   *portal.Server
}

func assemble(in inputs, api *api, m *metrics.Portal, log *slog.Logger) program {
	oidc := *in.config.Auth.OIDC
	idp := provider.New(provider.Options{OIDC: oidc, Redirect: portal.CallbackURL(in.config), Secret: in.secret, HTTP: in.client,
		Answers: m.ProviderUp, Log: log, Now: time.Now})
	record := audit.New(os.Stdout, in.config.Audit.Enabled)
	store := signins.New(signins.Options{Client: api.direct, Cached: api.cache, Namespace: in.config.Installation.Namespace, OIDC: oidc,
		Box: in.keys.box, Audit: record, Log: log, Now: time.Now})
	return program{provider: idp,
		recheck: &signins.Recheck{Store: store, Provider: idp, Metrics: m},
		server: portal.New(portal.Options{Config: in.config, Provider: idp, SignIns: store, Sessions: api.cache, Box: in.keys.box,
			Pages:   pages.New(pages.Options{Client: api.pages, Config: in.config, Log: logr.FromSlogHandler(log.Handler()), Audit: record, Visitor: visitor}),
			Metrics: m, Audit: record, Log: log, Now: time.Now})}
}

// visitor is who has signed in, as the pages want to know it.
func visitor(r *http.Request) (pages.Visitor, bool) {
	v, ok := portal.VisitorOf(r.Context())
	return pages.Visitor{Person: v.Person, CSRF: v.CSRF, Via: audit.ViaSignIn, From: portal.Address(r)}, ok
}

// readiness says whether people may come: not before the first listing is complete, and not
// after the signal. The identity provider has no part in it.
type readiness struct {
	stopping context.Context
	serves   atomic.Bool
}

func (r *readiness) check() error {
	switch {
	case r.stopping.Err() != nil:
		return errors.New("shutting down")
	case !r.serves.Load():
		return errors.New("sign-ins, sessions and templates are still being listed")
	}
	return nil
}
