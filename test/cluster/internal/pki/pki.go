// Package pki makes the cluster's certificate authority, certificates and keys. What exists
// and is valid for a while longer is left as it is, so running programs keep working.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	validity = 365 * 24 * time.Hour
	// renewBefore is how long a certificate must still be valid to be kept.
	renewBefore = 30 * 24 * time.Hour
	// clockSlack makes a certificate valid a little before now, for clocks that differ.
	clockSlack = 5 * time.Minute
	// serviceAccountBits is the size of the key that signs service account tokens; RSA
	// because every client can check it.
	serviceAccountBits = 2048
)

// Request describes a certificate.
type Request struct {
	// Name is the file's name, without .crt and .key.
	Name string
	// CommonName is the user and Organizations are the groups that Kubernetes sees.
	CommonName    string
	Organizations []string
	// Hosts are the names and addresses a server answers to.
	Hosts []string
}

// Dir is a folder with certificates.
type Dir string

// Cert and Key are a certificate's files.
func (d Dir) Cert(name string) string { return filepath.Join(string(d), name+".crt") }

// Key is a certificate's private key.
func (d Dir) Key(name string) string { return filepath.Join(string(d), name+".key") }

// Authority is a certificate authority.
type Authority struct {
	dir  Dir
	name string
	cert *x509.Certificate
	key  crypto.Signer
}

// Authority opens or makes the authority of that name.
func (d Dir) Authority(name string) (Authority, error) {
	a := Authority{dir: d, name: name}
	if cert, key, err := d.read(name); err == nil && time.Until(cert.NotAfter) > renewBefore {
		a.cert, a.key = cert, key
		return a, nil
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign,
	}
	cert, key, err := d.issue(name, template, nil, nil)
	if err != nil {
		return Authority{}, fmt.Errorf("certificate authority %s: %w", name, err)
	}
	a.cert, a.key = cert, key
	return a, nil
}

// Issue makes a certificate for servers and clients, unless a matching one exists.
func (a Authority) Issue(r Request) error {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: r.CommonName, Organization: r.Organizations},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range r.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if old, _, err := a.dir.read(r.Name); err == nil && a.covers(old, r) {
		return nil
	}
	if _, _, err := a.dir.issue(r.Name, template, a.cert, a.key); err != nil {
		return fmt.Errorf("certificate %s: %w", r.Name, err)
	}
	return nil
}

// covers reports whether a certificate is ours, fits the request and lasts a while longer.
func (a Authority) covers(cert *x509.Certificate, r Request) bool {
	if cert.CheckSignatureFrom(a.cert) != nil || time.Until(cert.NotAfter) < renewBefore {
		return false
	}
	if cert.Subject.CommonName != r.CommonName || fmt.Sprint(cert.Subject.Organization) != fmt.Sprint(r.Organizations) {
		return false
	}
	for _, host := range r.Hosts {
		if cert.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

// KeyPair makes an RSA key NAME.key with its public half NAME.pub, unless they exist.
func (d Dir) KeyPair(name string) error {
	public := filepath.Join(string(d), name+".pub")
	if _, err := os.Stat(public); err == nil {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, serviceAccountBits)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := write(d.Key(name), "PRIVATE KEY", private, 0o600); err != nil {
		return err
	}
	return write(public, "PUBLIC KEY", encoded, 0o644) // last: it stands for both
}

func (d Dir) issue(name string, template, parent *x509.Certificate, parentKey crypto.Signer) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-clockSlack), now.Add(validity)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	if err := write(d.Key(name), "PRIVATE KEY", private, 0o600); err != nil {
		return nil, nil, err
	}
	if err := write(d.Cert(name), "CERTIFICATE", der, 0o644); err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

// read loads a certificate and the key that belongs to it.
func (d Dir) read(name string) (*x509.Certificate, crypto.Signer, error) {
	certDER, err := decode(d.Cert(name))
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := decode(d.Key(name))
	if err != nil {
		return nil, nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return nil, nil, err
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("%s: not a signing key", d.Key(name))
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("%s does not belong to %s", d.Key(name), d.Cert(name))
	}
	return cert, key, nil
}

func decode(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New(file + ": no PEM block")
	}
	return block.Bytes, nil
}

func write(file, kind string, der []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := pem.Encode(&text, &pem.Block{Type: kind, Bytes: der}); err != nil {
		return err
	}
	half := file + ".tmp"
	if err := os.WriteFile(half, text.Bytes(), mode); err != nil {
		return err
	}
	return os.Rename(half, file)
}
