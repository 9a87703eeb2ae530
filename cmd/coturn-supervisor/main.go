// The coturn supervisor is the first process of a TURN server's container: see package
// coturn.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/org/vdi-operator/pkg/coturn"
)

func main() {
	var (
		o     coturn.Options
		path  string
		level slog.Level
		local netip.Addr
	)
	flag.StringVar(&path, "config", "/etc/coturn/config/config.yaml", "the configuration file")
	flag.StringVar(&o.Secret, "secret", "/etc/coturn/secret/secret", "file with the secret shared with the activator")
	flag.StringVar(&o.Certificate, "certificate", "/etc/coturn/tls",
		"folder with tls.crt and tls.key, read where the configuration has a tlsPort")
	flag.StringVar(&o.Folder, "folder", "/run/coturn", "folder in memory for turnserver's configuration, database and certificate")
	flag.StringVar(&o.Turnserver, "turnserver", "/usr/bin/turnserver", "the program turnserver")
	flag.StringVar(&o.SQLite, "sqlite", "/usr/bin/sqlite3", "the program sqlite3")
	flag.StringVar(&o.Proc, "proc", "/proc", "the kernel's files about processes and sockets")
	flag.StringVar(&o.Listen, "metrics-bind-address", ":9641", "address for /metrics, /healthz, /readyz and /address")
	flag.DurationVar(&o.Grace, "grace-period", time.Minute, "how long open allocations may go on after SIGTERM")
	flag.TextVar(&local, "address", netip.Addr{}, "IP address to listen on and to relay from")
	flag.StringVar(&o.NodeName, "node-name", "", "name of the node, for the external modes that read it")
	flag.TextVar(&level, "log-level", slog.LevelInfo, "debug, info, warn or error; debug shows every line of turnserver's")
	flag.Parse()
	o.Address = local.Unmap()
	o.Log = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, path, o); err != nil {
		o.Log.Error("the TURN server ended", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, path string, o coturn.Options) (err error) {
	if !o.Address.IsValid() {
		return fmt.Errorf("--address must be an IP address of this machine")
	}
	if o.Config, err = coturn.LoadConfig(path); err != nil {
		return err
	}
	s, err := coturn.New(o)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}
