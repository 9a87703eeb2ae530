package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/org/vdi-operator/pkg/keys"
	"github.com/org/vdi-operator/pkg/token"
)

// certificateEvery is how often the certificates' files are read: a few kilobytes, much more
// often than kubelet brings a change.
const certificateEvery = 5 * time.Second

// certificate is that of the key that signs links, in a file that kubelet replaces when the
// Secret changes. Beside it are those of the next key and of former ones, where there are any.
type certificate struct {
	path     string
	verifier *token.Verifier
	log      *slog.Logger

	failed string // the last failure that was logged
}

// openCertificate reads it for the first time.
func openCertificate(path string, log *slog.Logger) (*certificate, error) {
	c := &certificate{path: path, log: log}
	raw, beside, err := c.read()
	if err != nil {
		return nil, err
	}
	c.verifier, err = token.NewVerifier(raw, beside...)
	return c, err
}

// reads is how often the files are read until they are of one state: kubelet replaces them at
// once, and they are read one after the other.
const reads = 3

func (c *certificate) read() (current []byte, beside [][]byte, err error) {
	for range reads {
		if current, err = c.readCurrent(); err != nil {
			return nil, nil, err
		}
		if beside, err = c.readBeside(); err != nil {
			return nil, nil, err
		}
		again, err := c.readCurrent()
		if err == nil && bytes.Equal(current, again) {
			break
		}
	}
	return current, beside, nil
}

func (c *certificate) readCurrent() ([]byte, error) {
	return readSecret(c.path, "verification certificate (--verification-cert)")
}

func (c *certificate) readBeside() (all [][]byte, err error) {
	for _, name := range []string{keys.NextCertificateKey, keys.FormerCertificatesKey} {
		raw, err := os.ReadFile(filepath.Join(filepath.Dir(c.path), name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		all = append(all, raw)
	}
	return all, nil
}

// follow uses the certificates as they are, until ctx ends.
func (c *certificate) follow(ctx context.Context, every time.Duration) {
	wait.UntilWithContext(ctx, func(context.Context) { c.check() }, every)
}

func (c *certificate) check() {
	raw, beside, err := c.read()
	changed, before := false, c.verifier.Key()
	if err == nil {
		changed, err = c.verifier.Use(raw, beside...)
	}
	switch {
	case err == nil:
		c.failed = ""
		if changed {
			c.tell(before)
		}
	case c.failed != err.Error():
		c.failed = err.Error()
		c.log.Error("the new verification certificate cannot be used; the one before stays in use", "error", err)
	}
}

// tell says what has become of links.
func (c *certificate) tell(before string) {
	switch {
	case c.verifier.Key() == before:
		c.log.Info("the certificates beside the one that checks links have changed")
	case c.verifier.Takes(before, time.Now()):
		c.log.Info("the key that signs links has changed; links made with the former one stay good")
	default:
		c.log.Info("the key that signs links has changed; links made with the former one open nothing")
	}
}
