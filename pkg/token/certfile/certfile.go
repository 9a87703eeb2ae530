// Package certfile checks tokens by the certificates that are in files, as they are at the time:
// kubelet replaces them when the Secret of the signing key changes.
package certfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/org/vdi-operator/pkg/keys"
	"github.com/org/vdi-operator/pkg/token"
)

// every is how often the files are read: a few kilobytes, much more often than kubelet brings a
// change.
const every = 5 * time.Second

// Certificates are that of the key that signs, and beside it, in the same folder, those of the
// next key and of former ones, where there are any.
type Certificates struct {
	// Verifier goes by what the files were when they were last read.
	Verifier *token.Verifier

	path, signed string
	log          *slog.Logger

	failed string // the last failure that was logged
}

// Open reads the files for the first time. The log names what the key signs, such as "links".
func Open(path, signed string, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{path: path, signed: signed, log: log}
	raw, beside, err := c.read()
	if err != nil {
		return nil, err
	}
	c.Verifier, err = token.NewVerifier(raw, beside...)
	return c, err
}

// reads is how often the files are read until they are of one state: kubelet replaces them at
// once, and they are read one after the other.
const reads = 3

func (c *Certificates) read() (current []byte, beside [][]byte, err error) {
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

func (c *Certificates) readCurrent() ([]byte, error) {
	raw, err := os.ReadFile(c.path)
	if err == nil && len(raw) == 0 {
		err = fmt.Errorf("%s is empty", c.path)
	}
	if err != nil {
		return nil, fmt.Errorf("verification certificate (--verification-cert): %w", err)
	}
	return raw, nil
}

func (c *Certificates) readBeside() (all [][]byte, err error) {
	for _, name := range []string{keys.NextCertificateKey, keys.FormerCertificatesKey} {
		raw, err := os.ReadFile(filepath.Join(filepath.Dir(c.path), name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		all = append(all, raw)
	}
	return all, nil
}

// Follow uses the certificates as they are, until ctx ends.
func (c *Certificates) Follow(ctx context.Context) {
	wait.UntilWithContext(ctx, func(context.Context) { c.check() }, every)
}

func (c *Certificates) check() {
	raw, beside, err := c.read()
	changed, before := false, c.Verifier.Key()
	if err == nil {
		changed, err = c.Verifier.Use(raw, beside...)
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

// tell says what has become of what the key before has signed.
func (c *Certificates) tell(before string) {
	switch {
	case c.Verifier.Key() == before:
		c.log.Info("the certificates beside the current one have changed", "of", c.signed)
	case c.Verifier.Takes(before, time.Now()):
		c.log.Info("the signing key has changed; what the former one has signed stays good", "of", c.signed)
	default:
		c.log.Info("the signing key has changed; what the former one has signed is good no longer", "of", c.signed)
	}
}
