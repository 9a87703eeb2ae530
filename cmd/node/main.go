// The program on a node freezes and thaws its desktops: see package node.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/org/vdi-operator/pkg/logging"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/version"
)

// leastPulse keeps desktops from running most of the time; pulseFor is how long each pulse is:
// a desktop whose memory is paged out answers within a few hundred milliseconds.
const (
	leastPulse = 10 * time.Second
	pulseFor   = time.Second
)

type flags struct {
	installation, namespaces, node string
	verificationCert, cgroupRoot   string
	listen, metricsAddress         string
	pageOut                        bool
	pulseEvery                     time.Duration
	logLevel                       slog.Level
}

func main() {
	var f flags
	flag.StringVar(&f.installation, "installation", "", "the installation's namespace and name, such as vdi-system/vdi")
	flag.StringVar(&f.namespaces, "watch-namespaces", "", "namespaces of sessions, with commas between them; empty for all")
	flag.StringVar(&f.node, "node-name", "", "the node's name")
	flag.StringVar(&f.verificationCert, "verification-cert", "/etc/vdi/signing/tls.crt", "certificate of the key that signs orders")
	flag.StringVar(&f.cgroupRoot, "cgroup-root", "/host/cgroup", "where the node's /sys/fs/cgroup is mounted")
	flag.BoolVar(&f.pageOut, "page-out", true, "give the memory of frozen desktops to the node's swap")
	flag.DurationVar(&f.pulseEvery, "pulse-every", 4*time.Minute, "how often a frozen desktop runs for a moment, in which it takes the connections that probes have opened")
	flag.StringVar(&f.listen, "listen", fmt.Sprintf(":%d", nodeapi.Port), "address for the operator and activators")
	flag.StringVar(&f.metricsAddress, "metrics-bind-address", ":9090", "address for /metrics, /healthz and /readyz")
	flag.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	flag.BoolFunc("version", "print the version and end", version.Flag("node", os.Stdout, os.Exit))
	flag.Parse()

	log := logging.Setup(os.Stderr, f.logLevel)
	log.Info("the program on the node starts", "version", version.Get(), "node", f.node)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, f, log); err != nil {
		log.Error("the program on the node ended", "error", err)
		os.Exit(1)
	}
}

// validate says which flag's value cannot be, and what can.
func (f flags) validate() error {
	namespace, name, _ := strings.Cut(f.installation, "/")
	switch {
	case namespace == "" || name == "":
		return fmt.Errorf("--installation is %q: give the installation's namespace and name, such as vdi-system/vdi", f.installation)
	case f.node == "":
		return errors.New("--node-name is empty: give the name of the node that this runs on")
	case f.pulseEvery < leastPulse:
		return fmt.Errorf("--pulse-every is %s: give %s or more", f.pulseEvery, leastPulse)
	}
	return nil
}

// spaces are the namespaces whose pods are watched; "" is all of them.
func (f flags) spaces() []string { return strings.Split(f.namespaces, ",") }
