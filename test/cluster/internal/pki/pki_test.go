package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

func issue(t *testing.T, dir Dir, r Request) *x509.Certificate {
	t.Helper()
	ca, err := dir.Authority("ca")
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Issue(r); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(dir.Cert(r.Name), dir.Key(r.Name))
	if err != nil {
		t.Fatalf("certificate and key do not belong together: %v", err)
	}
	return pair.Leaf
}

func TestACertificateServesItsHostsAndNamesItsGroups(t *testing.T) {
	dir := Dir(t.TempDir())
	leaf := issue(t, dir, Request{Name: "kubelet", CommonName: "system:node:n", Organizations: []string{"system:nodes"}, Hosts: []string{"10.0.0.1", "n"}})
	raw, err := os.ReadFile(dir.Cert("ca"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	for _, host := range []string{"10.0.0.1", "n"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("host %s: %v", host, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "other"}); err == nil {
		t.Error("the certificate is accepted for a host it was not made for")
	}
	if got := leaf.Subject.Organization; len(got) != 1 || got[0] != "system:nodes" {
		t.Errorf("groups are %v", got)
	}
}

func TestAValidCertificateIsKeptAndAChangedRequestRenewsIt(t *testing.T) {
	dir := Dir(t.TempDir())
	first := issue(t, dir, Request{Name: "x", CommonName: "x", Hosts: []string{"a"}})
	if again := issue(t, dir, Request{Name: "x", CommonName: "x", Hosts: []string{"a"}}); !again.Equal(first) {
		t.Error("an unchanged request made a new certificate")
	}
	if renewed := issue(t, dir, Request{Name: "x", CommonName: "x", Hosts: []string{"a", "b"}}); renewed.Equal(first) {
		t.Error("a request for one more host kept the old certificate")
	}
}

func TestANewAuthorityRenewsWhatTheOldOneSigned(t *testing.T) {
	dir := Dir(t.TempDir())
	first := issue(t, dir, Request{Name: "x", CommonName: "x"})
	if err := os.Remove(dir.Key("ca")); err != nil {
		t.Fatal(err)
	}
	if again := issue(t, dir, Request{Name: "x", CommonName: "x"}); again.Equal(first) {
		t.Error("a certificate of a lost authority was kept")
	}
}

func TestTheServiceAccountKeyIsMadeOnce(t *testing.T) {
	dir := Dir(t.TempDir())
	read := func() string {
		t.Helper()
		if err := dir.KeyPair("service-account"); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(string(dir), "service-account.pub"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if first := read(); first != read() {
		t.Error("the key changed, which invalidates every token")
	}
}
