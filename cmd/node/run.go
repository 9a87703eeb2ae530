package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/org/vdi-operator/pkg/apiserver"
	"github.com/org/vdi-operator/pkg/health"
	"github.com/org/vdi-operator/pkg/httpserve"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/node"
	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/pkg/node/desktops"
	"github.com/org/vdi-operator/pkg/node/pressure"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/token/certfile"
)

const (
	// clientQPS and clientBurst are for questions about frozen desktops, of which a node has some dozen.
	clientQPS, clientBurst = 20, 40
	// headerWithin and requestWithin bound how long a request may take to come, answerWithin its
	// answer too.
	headerWithin, requestWithin, answerWithin = 5 * time.Second, 5 * time.Second, 15 * time.Second
	// maxConnections of a port are more than the operator and activators open.
	maxConnections = 256
	// endWithin bounds the end of orders after the signal.
	endWithin = 5 * time.Second
)

// run reads in the order of starting and ending. Orders to thaw are taken before the API server
// has answered: they need nothing of it.
func run(ctx context.Context, f flags, log *slog.Logger) error {
	if err := f.validate(); err != nil {
		return err
	}
	cert, err := certfile.Open(f.verificationCert, "orders", log)
	if err != nil {
		return err
	}
	root, err := cgroup.Open(f.cgroupRoot)
	if err != nil {
		return err
	}
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	restConfig.QPS, restConfig.Burst = clientQPS, clientBurst
	sessions := &sessions{}

	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics.RegisterBuildInfo(reg)
	var ds *desktops.Desktops
	m := metrics.NewNode(reg, func() int { return ds.Frozen() })
	ds = desktops.New(desktops.Options{Root: root, Sessions: sessions, PageOut: f.pageOut, PulseEvery: f.pulseEvery, PulseFor: pulseFor,
		Metrics: m, Log: log, Now: time.Now})
	defer ds.Close()
	ready := &readiness{stopping: ctx}
	showPressure(reg, memoryPressure, log)

	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	group, failed := errgroup.WithContext(alive)
	serve := serving{alive: alive, group: group}
	if _, err := serve.serve(f.metricsAddress, health.Handler(reg, nil, ready.check)); err != nil {
		return err
	}
	api := &node.API{Node: f.node, Verifier: cert.Verifier, Desktops: ds, Pressure: memoryPressure, Metrics: m, Log: log, Now: time.Now}
	orders, err := serve.serve(f.listen, api.Handler())
	if err != nil {
		return err
	}
	for _, work := range []func(context.Context){ds.Run, cert.Follow} {
		group.Go(func() error {
			work(alive)
			return nil
		})
	}
	log.Info("serving orders", "listen", f.listen, "metrics", f.metricsAddress, "cgroups", root.Version(), "pageOut", f.pageOut)
	group.Go(func() error {
		err := apiserver.Await(alive, restConfig, func(err error) {
			log.Warn("the API server does not answer; until it does, desktops are thawed and none is frozen", "error", err)
		})
		if err != nil {
			return nil //nolint:nilerr // the end came first
		}
		if err := sessions.connect(restConfig, f.installation); err != nil {
			return err
		}
		all, err := watch(alive, restConfig, f, ds, log, func(c cache.Cache) { group.Go(func() error { return c.Start(alive) }) })
		ready.pods.Store(&all)
		return err
	})

	select {
	case <-failed.Done():
		return context.Cause(failed)
	case <-ctx.Done():
	}
	log.Info("shutting down: every desktop is thawed")
	ds.Close()
	shutdown(alive, orders)
	end()
	_ = group.Wait() // a failure during the end does not make it a failed one
	return nil
}

// memoryPressure is the node's: /proc/pressure and /proc/meminfo are the same in every container.
func memoryPressure() (nodeapi.Pressure, error) { return pressure.Read("/proc") }

// showPressure has a metric of it, or says once that this node's kernel does not tell it.
func showPressure(reg prometheus.Registerer, read func() (nodeapi.Pressure, error), log *slog.Logger) {
	if _, err := read(); err != nil {
		log.Warn("nothing on this node gives way to memory pressure before kubelet reports it", "error", err)
		return
	}
	metrics.RegisterMemoryStalled(reg, func() float64 {
		is, err := read()
		if err != nil {
			return math.NaN()
		}
		return is.Stalled / 100
	})
}

// shutdown waits for orders that were taken.
func shutdown(ctx context.Context, srv *http.Server) {
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	_ = srv.Shutdown(ctx)
}

// serving starts servers in group; they close when alive ends.
type serving struct {
	alive context.Context
	group *errgroup.Group
}

func (s serving) serve(addr string, h http.Handler) (*http.Server, error) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerWithin, ReadTimeout: requestWithin, WriteTimeout: answerWithin, IdleTimeout: answerWithin,
		MaxHeaderBytes: node.MaxHeader}
	return srv, httpserve.Start(s.alive, s.group, addr, srv, func(l *net.TCPListener) net.Listener { return netutil.LimitListener(l, maxConnections) })
}
