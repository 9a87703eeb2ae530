// The portal is where people sign in: see package portal.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/org/vdi-operator/pkg/logging"
	"github.com/org/vdi-operator/pkg/version"
)

type flags struct {
	config, keys, clientSecret, ca         string
	listen, internalListen, metricsAddress string
	shutdownDelay                          time.Duration
	logLevel                               slog.Level
}

func main() {
	var f flags
	flag.StringVar(&f.config, "config", "/etc/vdi/config/config.yaml", "the installation's configuration file")
	flag.StringVar(&f.keys, "portal-keys", "/etc/vdi/portal/keys", "file with the keys that encrypt what the portal keeps")
	flag.StringVar(&f.clientSecret, "client-secret", "", "file with the secret that the identity provider knows the portal by; empty for a public client")
	flag.StringVar(&f.ca, "ca", "", "file with certificates, in PEM, that vouch for the identity provider beside the system's; empty for none")
	flag.StringVar(&f.listen, "listen", ":8080", "address for people, who come by the activator")
	flag.StringVar(&f.internalListen, "internal-listen", ":8081", "address for activators")
	flag.StringVar(&f.metricsAddress, "metrics-bind-address", ":9090", "address for /metrics, /healthz and /readyz")
	flag.DurationVar(&f.shutdownDelay, "shutdown-delay", 5*time.Second, "how long after SIGTERM new connections are still taken")
	flag.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	flag.BoolFunc("version", "print the version and end", version.Flag("portal", os.Stdout, os.Exit))
	flag.Parse()

	log := logging.Setup(os.Stderr, f.logLevel)
	log.Info("the portal starts", "version", version.Get())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, f, log); err != nil {
		log.Error("the portal ended", "error", err)
		os.Exit(1)
	}
}
