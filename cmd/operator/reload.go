package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/installation"
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

func reload(path string, now config.Sessions, clocks *session.Clocks, m *vdimetrics.Operator, conditions *installation.Conditions, log logr.Logger) reloading {
	tellCurrent(conditions, nil)
	return reloading{&config.Watcher{
		Path: path, Every: reloadEvery, Sessions: now,
		Changed: func(s config.Sessions) { clocks.Set(s.Policy()) },
		Reloaded: func(err error) {
			m.Reloaded(err)
			tellCurrent(conditions, err)
		},
		Log: log,
	}}
}

// tellCurrent tells whether the file is in use; err says why it is refused.
func tellCurrent(conditions *installation.Conditions, err error) {
	if err == nil {
		conditions.Set(v1alpha1.ConditionConfigurationCurrent, metav1.ConditionTrue, v1alpha1.ReasonCurrent, "The operator's configuration file is in use as it is now.")
		return
	}
	conditions.Set(v1alpha1.ConditionConfigurationCurrent, metav1.ConditionFalse, v1alpha1.ReasonRefused, fmt.Sprintf(
		"The operator's configuration has changed and is refused, so what held before goes on to hold; correct the chart's values and run helm upgrade. %v", err))
}

// Start implements manager.Runnable.
func (r reloading) Start(ctx context.Context) error {
	r.watcher.Run(ctx)
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (reloading) NeedLeaderElection() bool { return false }
