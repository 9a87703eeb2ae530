// The operator makes sessions' desktops and puts them to sleep: see the packages
// below pkg/controller.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

type flags struct {
	config, signingKey      string
	metricsAddress          string
	probeAddress            string
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
	flag.BoolVar(&f.leaderElect, "leader-elect", false, "work only while elected, so that several replicas can run")
	flag.StringVar(&f.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the election's Lease; the pod's own if empty")
	flag.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	flag.Parse()

	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: f.logLevel})
	log := logr.FromSlogHandler(handler)
	ctrl.SetLogger(log)
	klog.SetLogger(log.WithName("client"))
	if err := run(ctrl.SetupSignalHandler(), f); err != nil {
		log.Error(err, "the operator ended")
		os.Exit(1)
	}
}
