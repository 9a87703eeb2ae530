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
	config, signingKey      string
	metricsAddress          string
	probeAddress            string
	pprofAddress            string
	leaderElect             bool
	leaderElectionNamespace string
	logLevel                slog.Level
}

func main() {
	if run := subcommand(os.Args); run != nil {
		if err := run(ctrl.SetupSignalHandler()); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	var f flags
	flag.StringVar(&f.config, "config", "/etc/vdi/config/config.yaml", "the installation's configuration file")
	flag.StringVar(&f.signingKey, "signing-key", "/etc/vdi/signing/tls.key", "private key that signs desktops' tokens")
	flag.StringVar(&f.metricsAddress, "metrics-bind-address", ":8080", "address for /metrics; 0 for none")
	flag.StringVar(&f.probeAddress, "health-probe-bind-address", ":8081", "address for /healthz and /readyz")
	flag.StringVar(&f.pprofAddress, "pprof-bind-address", "", "address for /debug/pprof, such as 127.0.0.1:6060; empty for none")
	flag.BoolVar(&f.leaderElect, "leader-elect", false, "work only while elected, so that several replicas can run")
	flag.StringVar(&f.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the election's Lease; the pod's own if empty")
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
