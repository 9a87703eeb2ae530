// The operator makes sessions' desktops and puts them to sleep: see the packages
// below pkg/controller.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/org/vdi-operator/pkg/logging"
	"github.com/org/vdi-operator/pkg/version"
)

type flags struct {
	config   string
	logLevel slog.Level
	// manager has the addresses and the election's flags.
	manager ctrl.Options
}

func main() {
	if len(os.Args) > 1 && subcommands[os.Args[1]] != nil {
		if err := subcommands[os.Args[1]](ctrl.SetupSignalHandler(), os.Args[2:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	var f flags
	flag.StringVar(&f.config, "config", "/etc/vdi/config/config.yaml", "the installation's configuration file")
	flag.StringVar(&f.manager.Metrics.BindAddress, "metrics-bind-address", ":8080", "address for /metrics; 0 for none")
	flag.StringVar(&f.manager.HealthProbeBindAddress, "health-probe-bind-address", ":8081", "address for /healthz and /readyz")
	flag.StringVar(&f.manager.PprofBindAddress, "pprof-bind-address", "", "address for /debug/pprof, such as 127.0.0.1:6060; empty for none")
	flag.BoolVar(&f.manager.LeaderElection, "leader-elect", false, "work only while elected, so that several replicas can run")
	flag.StringVar(&f.manager.LeaderElectionNamespace, "leader-election-namespace", "",
		"namespace of the election's Lease; the pod's own if empty")
	flag.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	flag.BoolFunc("version", "print the version and end", version.Flag("operator", os.Stdout, os.Exit))
	flag.Parse()

	log := logging.Setup(os.Stderr, f.logLevel)
	log.Info("the operator starts", "version", version.Get())
	if err := run(ctrl.SetupSignalHandler(), f, log); err != nil {
		log.Error("the operator ended", "error", err)
		os.Exit(1)
	}
}
