package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/org/vdi-operator/pkg/token"
)

// certificateEvery is how often the certificate's file is read: a few hundred bytes, much more
// often than kubelet brings a change.
const certificateEvery = 5 * time.Second

// certificate is that of the key that signs orders, in a file that kubelet replaces when the
// Secret changes.
type certificate struct {
	path     string
	verifier *token.Verifier
	log      *slog.Logger

	failed string // the last failure that was logged
}

// openCertificate reads it for the first time.
func openCertificate(path string, log *slog.Logger) (*certificate, error) {
	c := &certificate{path: path, log: log}
	raw, err := c.read()
	if err != nil {
		return nil, err
	}
	c.verifier, err = token.NewVerifier(raw)
	return c, err
}

func (c *certificate) read() ([]byte, error) {
	raw, err := os.ReadFile(c.path)
	if err != nil {
		return nil, fmt.Errorf("verification certificate (--verification-cert): %w", err)
	}
	return raw, nil
}

// follow uses the certificate as it is, until ctx ends.
func (c *certificate) follow(ctx context.Context, every time.Duration) {
	wait.UntilWithContext(ctx, func(context.Context) { c.check() }, every)
}

func (c *certificate) check() {
	raw, err := c.read()
	changed := false
	if err == nil {
		changed, err = c.verifier.Use(raw)
	}
	switch {
	case err == nil:
		c.failed = ""
		if changed {
			c.log.Info("the key that signs orders has changed; orders of the former one are refused")
		}
	case c.failed != err.Error():
		c.failed = err.Error()
		c.log.Error("the new verification certificate cannot be used; the one before stays in use", "error", err)
	}
}
