// The activator is the data plane: see package activator.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/org/vdi-operator/pkg/logging"
	"github.com/org/vdi-operator/pkg/version"
)

type flags struct {
	config, verificationCert, turnSecret   string
	visitKeys                              string
	listen, internalListen, metricsAddress string
	pprofAddress                           string
	podName, podUID                        string
	gracePeriod, shutdownDelay, keepAlive  time.Duration
	logLevel                               slog.Level
}

func main() {
	var f flags
	flag.StringVar(&f.config, "config", "/etc/vdi/config/config.yaml", "the installation's configuration file")
	flag.StringVar(&f.verificationCert, "verification-cert", "/etc/vdi/signing/tls.crt", "certificate of the key that signs links")
	flag.StringVar(&f.visitKeys, "visit-keys", "/etc/vdi/visits/keys", "file with the keys that sign visitors' cookies: the current one, and the one before")
	flag.StringVar(&f.turnSecret, "turn-secret", "/etc/vdi/turn/secret", "file with the secret shared with coturn; empty for no TURN")
	flag.StringVar(&f.listen, "listen", ":8080", "address for visitors")
	flag.StringVar(&f.internalListen, "internal-listen", ":8081", "address for desktops")
	flag.StringVar(&f.metricsAddress, "metrics-bind-address", ":9090", "address for /metrics, /healthz and /readyz")
	flag.StringVar(&f.pprofAddress, "pprof-bind-address", "", "address for /debug/pprof, such as 127.0.0.1:6060; empty for none")
	flag.StringVar(&f.podName, "pod-name", "", "the pod's name, which its Lease has too: it tells the operator that reports are received; empty for no Lease")
	flag.StringVar(&f.podUID, "pod-uid", "", "the pod's UID, with which its Lease goes")
	flag.DurationVar(&f.gracePeriod, "grace-period", 9*time.Minute, "how long live connections may go on after SIGTERM")
	flag.DurationVar(&f.shutdownDelay, "shutdown-delay", 15*time.Second, "how long after SIGTERM new connections are still taken, at most half of --grace-period")
	flag.DurationVar(&f.keepAlive, "keep-alive", 3*time.Minute, "how long a connection is kept open for another request")
	flag.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	flag.BoolFunc("version", "print the version and end", version.Flag("activator", os.Stdout, os.Exit))
	flag.Parse()

	log := logging.Setup(os.Stderr, f.logLevel)
	log.Info("the activator starts", "version", version.Get())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, f, log); err != nil {
		log.Error("the activator ended", "error", err)
		os.Exit(1)
	}
}

// validate says which flag's value cannot be, and what can.
func (f flags) validate() error {
	switch {
	case f.shutdownDelay < 0:
		return fmt.Errorf("--shutdown-delay is %s: give 0s or more", f.shutdownDelay)
	case f.keepAlive <= 0:
		return fmt.Errorf("--keep-alive is %s: give more than 0s", f.keepAlive)
	}
	return nil
}

// delay is how long new connections are taken in the end: some time is left for those that
// are live.
func (f flags) delay() time.Duration { return min(f.shutdownDelay, f.gracePeriod/2) }
