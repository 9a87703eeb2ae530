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

// reloadEvery is how often the configuration file is read: a few hundred
// bytes, much more often than kubelet brings a change.
const reloadEvery = 5 * time.Second

// reloading applies a changed timeout without a restart, in every replica: a standby must
// not start with an old one.
type reloading struct{ watcher *config.Watcher }

var (
	_ manager.Runnable               = reloading{}
	_ manager.LeaderElectionRunnable = reloading{}
)

func reload(path string, now v1alpha1.Lifecycle, clocks *session.Clocks, m *vdimetrics.Operator,
	conditions *installation.Conditions, log logr.Logger) reloading {
	setCurrent(conditions, nil)
	return reloading{&config.Watcher{
		Path: path, Every: reloadEvery, Sessions: now,
		Changed: clocks.Set,
		Reloaded: func(err error) {
			m.Reloaded(err)
			setCurrent(conditions, err)
		},
		Log: log,
	}}
}

// setCurrent sets the condition ConfigurationCurrent; err says why the file is refused.
func setCurrent(conditions *installation.Conditions, err error) {
	if err == nil {
		conditions.Set(v1alpha1.ConditionConfigurationCurrent, metav1.ConditionTrue, v1alpha1.ReasonCurrent,
			"The operator's configuration file is in use as it is now.")
		return
	}
	conditions.Set(v1alpha1.ConditionConfigurationCurrent, metav1.ConditionFalse, v1alpha1.ReasonRefused, fmt.Sprintf(
		"The operator's configuration has changed and is refused; the one before stays in use. "+
			"Correct the chart's values and run helm upgrade. %v", err))
}

// Start implements manager.Runnable.
func (r reloading) Start(ctx context.Context) error {
	r.watcher.Run(ctx)
	return nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (reloading) NeedLeaderElection() bool { return false }
