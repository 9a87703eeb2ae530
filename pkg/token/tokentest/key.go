// Package tokentest makes signing keys and tokens for tests.
package tokentest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/org/vdi-operator/pkg/token"
)

// NewKey makes a signing key in PEM, PKCS #8, as the chart's Secret holds one.
func NewKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// PublicKey is what checks what NewKey's key signs, in PEM.
func PublicKey(key []byte) ([]byte, error) {
	block, _ := pem.Decode(key)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&private.(*ecdsa.PrivateKey).PublicKey)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), err
}

// NewSigner makes a signer with a key of its own, where there is no test to fail.
func NewSigner() (*token.Signer, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	return token.NewSigner(key)
}

// Signer makes a signer with a key of its own.
func Signer(t testing.TB) *token.Signer {
	t.Helper()
	s, err := NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Certified makes a signer with a key of its own, and a certificate of that, in PEM, which is good
// for an hour.
func Certified(t testing.TB) (signer *token.Signer, cert []byte) {
	t.Helper()
	raw, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key := private.(*ecdsa.PrivateKey)
	shape := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, shape, shape, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = token.NewSigner(raw); err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
