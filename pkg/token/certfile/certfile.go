// Package certfile checks tokens by the certificates that are in files, as they are at the time:
// kubelet replaces them when the Secret of the signing key changes.
package certfile

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/org/vdi-operator/pkg/keys"
	"github.com/org/vdi-operator/pkg/mounted"
	"github.com/org/vdi-operator/pkg/token"
)

// Certificates are that of the key that signs, and beside it, in the same folder, those of the
// next key and of former ones, where there are any.
type Certificates struct {
	*mounted.Follower
	// Verifier goes by what the files were when they were last read.
	Verifier *token.Verifier

	path string
}

// Open reads the files for the first time. The log names what the key signs, such as "links".
func Open(path, signed string, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{path: path}
	c.Follower = &mounted.Follower{Use: c.use, Log: log.With("of", signed),
		Refused: "the new verification certificate cannot be used; the one before stays in use"}
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
	return mounted.Read(c.path, "verification certificate (--verification-cert)")
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

// use takes the certificates as they are, and says what became of what the key before has signed.
func (c *Certificates) use() (changed string, err error) {
	raw, beside, err := c.read()
	if err != nil {
		return "", err
	}
	before := c.Verifier.Key()
	if changed, err := c.Verifier.Use(raw, beside...); err != nil || !changed {
		return "", err
	}
	switch {
	case c.Verifier.Key() == before:
		return "the certificates beside the current one have changed", nil
	case c.Verifier.Takes(before, time.Now()):
		return "the signing key has changed; what the former one has signed stays good", nil
	default:
		return "the signing key has changed; what the former one has signed is good no longer", nil
	}
}
