package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/installation"
	"github.com/org/vdi-operator/pkg/controller/session"
	vdimetrics "github.com/org/vdi-operator/pkg/metrics"
)

// reloadEvery is how often the configuration file is read: a few hundred
// bytes, much more often than kubelet brings a change.
const reloadEvery = 5 * time.Second

// reload applies a changed timeout without a restart, in every replica: a standby must
// not start with an old one.
func reload(path string, now config.Sessions, defaults *session.Defaults, m *vdimetrics.Operator,
	conditions *installation.Conditions, log logr.Logger) everyReplica {
	setCurrent(conditions, nil)
	watcher := &config.Watcher{
		Path: path, Every: reloadEvery, Sessions: now,
		Changed: defaults.Set,
		Reloaded: func(err error) {
			m.Reloaded(err)
			setCurrent(conditions, err)
		},
		Log: log,
	}
	return func(ctx context.Context) error {
		watcher.Run(ctx)
		return nil
	}
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
