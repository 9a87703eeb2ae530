package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/org/vdi-operator/pkg/check"
)

// defaultPatience covers what becomes ready after helm install has returned.
const defaultPatience = time.Minute

// runCheck checks the installation, for helm test.
func runCheck(ctx context.Context, args []string) error {
	f := newInstallationFlags("check")
	patience := f.Duration("patience", defaultPatience, "how long what fails at first may take to mend itself")
	if err := f.Parse(args); err != nil {
		return err
	}
	cfg, c, err := f.load()
	if err != nil {
		return err
	}
	checker := &check.Checker{
		Client: c, Config: cfg, Kinds: neededKinds(cfg),
		Operator: deployment(cfg, f.operator), Activator: deployment(cfg, f.activator),
		HTTP: http.DefaultClient, Resolver: net.DefaultResolver,
		Patience: *patience, Out: os.Stdout,
	}
	return checker.Run(ctx)
}
