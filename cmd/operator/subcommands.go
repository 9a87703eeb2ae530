package main

import (
	"context"
	"flag"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/config"
)

// subcommands are what this program does once and ends, instead of operating, where its
// first argument names it. The chart runs them, and they print to stdout for people.
var subcommands = map[string]func(ctx context.Context, args []string) error{"check": runCheck, "uninstall": runUninstall}

// installationFlags are what the subcommands have to know of the installation.
type installationFlags struct {
	*flag.FlagSet
	config              string
	operator, activator string
}

func newInstallationFlags(name string) *installationFlags {
	f := &installationFlags{FlagSet: flag.NewFlagSet(name, flag.ExitOnError)}
	f.StringVar(&f.config, "config", "/etc/vdi/config/config.yaml", "the installation's configuration file")
	f.StringVar(&f.operator, "operator", "vdi-operator", "the operator's Deployment")
	f.StringVar(&f.activator, "activator", "vdi-activator", "the activator's Deployment")
	return f
}

// load reads the configuration, and makes a client that reads without a cache.
func (f *installationFlags) load() (config.Config, client.Client, error) {
	cfg, err := config.Load(f.config)
	if err != nil {
		return cfg, nil, err
	}
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return cfg, nil, fmt.Errorf("no way to reach the cluster: run in it, or set KUBECONFIG: %w", err)
	}
	restConfig.QPS, restConfig.Burst = subcommandQueries, subcommandQueries
	scheme, err := newScheme()
	if err != nil {
		return cfg, nil, err
	}
	c, err := client.New(restConfig, client.Options{Scheme: scheme})
	return cfg, c, err
}

// subcommandQueries is how many requests a second a subcommand may make: nobody else
// works meanwhile, and ten thousand sessions take six each.
const subcommandQueries = 500

// deployment is one of the installation's, by its name.
func deployment(cfg config.Config, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: cfg.Installation.Namespace, Name: name}
}
