package main

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/session"
	vdimetrics "github.com/org/vdi-operator/pkg/metrics"
)

// reloadEvery is how often the configuration file is looked at: a read of a few
// hundred bytes, much oftener than kubelet brings a change.
const reloadEvery = 5 * time.Second

// reloading makes a changed timeout hold without a restart, in every replica: one that
// stands by must not begin with what was long ago.
type reloading struct{ watcher *config.Watcher }

var (
	_ manager.Runnable               = reloading{}
	_ manager.LeaderElectionRunnable = reloading{}
)

func reload(path string, now config.Sessions, clocks *session.Clocks, m *vdimetrics.Operator, log logr.Logger) reloading {
	return reloading{&config.Watcher{
		Path: path, Every: reloadEvery, Sessions: now,
		Changed:  func(s config.Sessions) { clocks.Set(s.Policy()) },
		Reloaded: m.Reloaded, Log: log,
	}}
}

// Start implements manager.Runnable.
func (r reloading) Start(ctx context.Context) error {
	r.watcher.Run(ctx)
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (reloading) NeedLeaderElection() bool { return false }
