package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func issue(t *testing.T, dir Dir, r Request) *x509.Certificate {
	t.Helper()
	ca, err := dir.Authority("ca")
	require.NoError(t, err)
	require.NoError(t, ca.Issue(r))
	pair, err := tls.LoadX509KeyPair(dir.Cert(r.Name), dir.Key(r.Name))
	require.NoError(t, err, "certificate and key do not belong together")
	return pair.Leaf
}

func TestACertificateServesItsHostsAndNamesItsGroups(t *testing.T) {
	dir := Dir(t.TempDir())
	leaf := issue(t, dir, Request{Name: "kubelet", CommonName: "system:node:n", Organizations: []string{"system:nodes"}, Hosts: []string{"10.0.0.1", "n"}})
	raw, err := os.ReadFile(dir.Cert("ca"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	for _, host := range []string{"10.0.0.1", "n"} {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host})
		assert.NoError(t, err, "host %s", host)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "other"})
	assert.Error(t, err, "the certificate is accepted for a host it was not made for")
	got := leaf.Subject.Organization
	require.Len(t, got, 1)
	assert.Equal(t, "system:nodes", got[0], "groups")
}

func TestAValidCertificateIsKeptAndAChangedRequestRenewsIt(t *testing.T) {
	dir := Dir(t.TempDir())
	first := issue(t, dir, Request{Name: "x", CommonName: "x", Hosts: []string{"a"}})
	assert.True(t, issue(t, dir, Request{Name: "x", CommonName: "x", Hosts: []string{"a"}}).Equal(first),
		"an unchanged request made a new certificate")
	assert.False(t, issue(t, dir, Request{Name: "x", CommonName: "x", Hosts: []string{"a", "b"}}).Equal(first),
		"a request for one more host kept the old certificate")
}

func TestANewAuthorityRenewsWhatTheOldOneSigned(t *testing.T) {
	dir := Dir(t.TempDir())
	first := issue(t, dir, Request{Name: "x", CommonName: "x"})
	require.NoError(t, os.Remove(dir.Key("ca")))
	assert.False(t, issue(t, dir, Request{Name: "x", CommonName: "x"}).Equal(first), "a certificate of a lost authority was kept")
}

func TestTheServiceAccountKeyIsMadeOnce(t *testing.T) {
	dir := Dir(t.TempDir())
	read := func() string {
		t.Helper()
		require.NoError(t, dir.KeyPair("service-account"))
		raw, err := os.ReadFile(filepath.Join(string(dir), "service-account.pub"))
		require.NoError(t, err)
		return string(raw)
	}
	assert.Equal(t, read(), read(), "the key changed, which invalidates every token")
}
