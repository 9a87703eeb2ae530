package coturn

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/org/vdi-operator/pkg/metrics"
)

// certificate gives a renewed certificate to turnserver. It copies what it has checked:
// turnserver reads the two files one by one, and would fail on a pair of which only one
// is new.
type certificate struct {
	// folder holds tls.crt and tls.key, as a mounted Secret of type kubernetes.io/tls does.
	folder string
	files  files
	// reload makes turnserver reread the files.
	reload  func() error
	metrics *metrics.TURN
	log     *slog.Logger

	chain, key []byte
	failed     string
}

// begin takes the first certificate, before turnserver runs.
func (c *certificate) begin() error {
	chain, key, leaf, err := c.read()
	if err == nil {
		err = c.store(chain, key)
	}
	if err != nil {
		return err
	}
	c.serving("serving a certificate", leaf)
	if time.Now().After(leaf.NotAfter) {
		c.log.Warn("the certificate has expired: browsers refuse it", "expired", leaf.NotAfter)
	}
	return nil
}

func (c *certificate) serving(message string, leaf *x509.Certificate) {
	c.metrics.Certificate(leaf.NotAfter)
	c.log.Info(message, "expires", leaf.NotAfter, "names", leaf.DNSNames, "addresses", leaf.IPAddresses)
}

// check takes a renewed certificate. Connections that are open stay open.
func (c *certificate) check(context.Context) {
	chain, key, leaf, err := c.read()
	renewed := err == nil && (!bytes.Equal(chain, c.chain) || !bytes.Equal(key, c.key))
	if renewed {
		if err = c.store(chain, key); err == nil {
			err = c.reload()
		}
	}
	switch {
	case err == nil:
		c.failed = ""
		if renewed {
			c.metrics.CertificateChanged(nil)
			c.serving("the certificate was renewed", leaf)
		}
	case c.failed != err.Error():
		c.failed = err.Error()
		c.log.Error("the new certificate cannot be used; the one before stays in use", "error", err)
		c.metrics.CertificateChanged(err)
	}
}

func (c *certificate) read() (chain, key []byte, leaf *x509.Certificate, err error) {
	certPath, keyPath := filepath.Join(c.folder, "tls.crt"), filepath.Join(c.folder, "tls.key")
	if chain, err = os.ReadFile(certPath); err != nil {
		return nil, nil, nil, fmt.Errorf("read the certificate: %w", err)
	}
	if key, err = os.ReadFile(keyPath); err != nil {
		return nil, nil, nil, fmt.Errorf("read the certificate's key: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("certificate %s and key %s: %w", certPath, keyPath, err)
	}
	return chain, key, pair.Leaf, nil
}

func (c *certificate) store(chain, key []byte) error {
	for path, content := range map[string][]byte{c.files.certificate(): chain, c.files.key(): key} {
		if err := writeFile(path, content); err != nil {
			return err
		}
	}
	c.chain, c.key = chain, key
	return nil
}

// writeFile replaces a file at once, readable by its owner alone.
func writeFile(path string, content []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
