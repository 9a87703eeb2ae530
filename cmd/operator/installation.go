package main

import (
	"errors"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/installation"
	"github.com/org/vdi-operator/pkg/controller/knativeconfig"
	"github.com/org/vdi-operator/pkg/controller/knativeready"
	"github.com/org/vdi-operator/pkg/controller/signinready"
	vdimetrics "github.com/org/vdi-operator/pkg/metrics"
)

// reportInstallation adds the reporter of the installation's conditions and, with Knative,
// the controllers of Knative's state. All run while the other controllers wait for definitions.
func reportInstallation(mgr ctrl.Manager, cfg config.Config, counters *vdimetrics.Operator) (*installation.Conditions, error) {
	// Rarely read, and some of it in namespaces that may come and go: a cache of it
	// would be a reason to end.
	c, err := client.NewWithWatch(mgr.GetConfig(), client.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(),
		Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("client without a cache: %w", err)
	}
	types := []string{v1alpha1.ConditionConfigurationCurrent, v1alpha1.ConditionKeysCurrent, v1alpha1.ConditionDefinitionsPresent,
		v1alpha1.ConditionActivatorsListening, v1alpha1.ConditionNamespacesOwned}
	if len(cfg.Namespaces) > 0 {
		types = append(types, v1alpha1.ConditionNamespacesServed)
	}
	if cfg.Knative.Enabled {
		types = append(types, v1alpha1.ConditionKnativeConfigured, v1alpha1.ConditionKnativeReady)
	}
	if cfg.Portal != nil {
		types = append(types, v1alpha1.ConditionSignInReady)
	}
	recorder := mgr.GetEventRecorder("vdi-operator")
	conditions := installation.NewConditions(counters, types...)
	err = mgr.Add(&installation.Reporter{
		Client: c, Installation: cfg.Installation, Deployment: cfg.Installation.Name + "-operator",
		Conditions: conditions, Events: recorder,
	})
	if cfg.Portal != nil {
		err = errors.Join(err, mgr.Add(&signinready.Check{Portal: cfg.Portal.Address(true), Conditions: conditions}))
	}
	if cfg.Knative.Enabled {
		err = errors.Join(err,
			mgr.Add(&knativeready.Check{Reader: c, Namespace: cfg.Knative.Namespace, Conditions: conditions}),
			mgr.Add(&knativeconfig.Reconciler{
				Client: c, Namespace: cfg.Knative.Namespace,
				Manager: knativeconfig.FieldManager(cfg.Installation.Namespace, cfg.Installation.Name),
				Apply:   cfg.Knative.ApplyConfig,
				Events:  recorder, Metrics: counters, Conditions: conditions,
			}))
	}
	return conditions, err
}
