package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var (
	now     = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	subject = Subject{User: "ada@example.com", Session: types.NamespacedName{Namespace: "team", Name: "ada"}, UID: "1-2-3"}
)

// keys are a private key and its certificate in PEM.
func keys(t testing.TB, curve elliptic.Curve) (private, certificate []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	shape := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vdi"}, NotAfter: now.Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, shape, shape, &key.PublicKey, key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
}

func pair(t testing.TB) (*Signer, *Verifier, []byte) {
	t.Helper()
	private, certificate := keys(t, elliptic.P256())
	s, err := NewSigner(private)
	require.NoError(t, err)
	v, err := NewVerifier(certificate)
	require.NoError(t, err)
	return s, v, certificate
}

func sign(t testing.TB, s *Signer, aud Audience, ttl time.Duration) string {
	t.Helper()
	raw, err := s.Sign(aud, subject, now, ttl)
	require.NoError(t, err)
	return raw
}

func TestATokenComesBackAsItWasSigned(t *testing.T) {
	s, v, _ := pair(t)
	raw := sign(t, s, AudienceTURN, time.Hour)
	for _, verifier := range []*Verifier{v, s.Verifier()} {
		got, expires, err := verifier.Verify(AudienceTURN, raw, now)
		if err != nil || got != subject || !expires.Equal(now.Add(time.Hour)) {
			t.Errorf("have %+v until %s, %v", got, expires, err)
		}
	}
}

func TestABadTokenIsRefused(t *testing.T) {
	s, v, certificate := pair(t)
	other, _, _ := pair(t)
	good := claims{
		RegisteredClaims: jwt.RegisteredClaims{Issuer: Issuer, Subject: subject.User, Audience: jwt.ClaimStrings{string(AudienceSession)},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))},
		Session: subject.Session.String(), UID: subject.UID,
	}
	make := func(method jwt.SigningMethod, key any, change func(*claims)) string {
		c := good
		change(&c)
		raw, err := jwt.NewWithClaims(method, c).SignedString(key)
		require.NoError(t, err)
		return raw
	}
	same := func(*claims) {}
	es256 := func(change func(*claims)) string { return make(jwt.SigningMethodES256, s.key.Load(), change) }
	block, _ := pem.Decode(certificate)
	public, err := x509.MarshalPKIXPublicKey(&s.key.Load().PublicKey)
	require.NoError(t, err)
	signed := es256(same)
	parts := strings.Split(signed, ".")

	eve := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"eve"}`))
	for name, c := range map[string]struct {
		raw  string
		want error
	}{
		"nothing":                     {"", ErrMalformed},
		"text":                        {"x", ErrMalformed},
		"too long":                    {signed + strings.Repeat("a", MaxLength), ErrMalformed},
		"the algorithm none":          {make(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same), ErrMalformed},
		"no signature":                {parts[0] + "." + parts[1] + ".", ErrMalformed},
		"HS256 with the certificate":  {make(jwt.SigningMethodHS256, certificate, same), ErrMalformed},
		"HS256 with its bytes":        {make(jwt.SigningMethodHS256, block.Bytes, same), ErrMalformed},
		"HS256 with the public key":   {make(jwt.SigningMethodHS256, public, same), ErrMalformed},
		"another key":                 {make(jwt.SigningMethodES256, other.key.Load(), same), ErrMalformed},
		"changed claims":              {parts[0] + "." + eve + "." + parts[2], ErrMalformed},
		"another audience":            {es256(func(c *claims) { c.Audience = jwt.ClaimStrings{string(AudienceTURN)} }), ErrMalformed},
		"no audience":                 {es256(func(c *claims) { c.Audience = nil }), ErrMalformed},
		"another issuer":              {es256(func(c *claims) { c.Issuer = "somebody" }), ErrMalformed},
		"no user":                     {es256(func(c *claims) { c.Subject = "" }), ErrMalformed},
		"no UID":                      {es256(func(c *claims) { c.UID = "" }), ErrMalformed},
		"no session":                  {es256(func(c *claims) { c.Session = "" }), ErrMalformed},
		"a session without namespace": {es256(func(c *claims) { c.Session = "/ada" }), ErrMalformed},
		"no expiry":                   {es256(func(c *claims) { c.ExpiresAt = nil }), ErrMalformed},
		"issued in the future":        {es256(func(c *claims) { c.IssuedAt = jwt.NewNumericDate(now.Add(time.Hour)) }), ErrNotYet},
		"valid from the future on":    {es256(func(c *claims) { c.NotBefore = jwt.NewNumericDate(now.Add(time.Hour)) }), ErrNotYet},
		"expired":                     {es256(func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(now.Add(-time.Minute)) }), ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := v.Verify(AudienceSession, c.raw, now)
			assert.ErrorIs(t, err, c.want)
		})
	}
	_, _, err = v.Verify(AudienceSession, signed, now)
	assert.NoError(t, err, "the good one")
}

func TestATokenOpensItsOwnSessionOnly(t *testing.T) {
	session := func(change func(*v1alpha1.VDISession)) *v1alpha1.VDISession {
		s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada", UID: "1-2-3"},
			Spec: v1alpha1.VDISessionSpec{User: subject.User}}
		change(s)
		return s
	}
	assert.NoError(t, subject.Opens(session(func(*v1alpha1.VDISession) {})))
	for name, change := range map[string]func(*v1alpha1.VDISession){
		"another name":             func(s *v1alpha1.VDISession) { s.Name = "bob" },
		"another namespace":        func(s *v1alpha1.VDISession) { s.Namespace = "other" },
		"another user":             func(s *v1alpha1.VDISession) { s.Spec.User = "eve" },
		"a later one of that name": func(s *v1alpha1.VDISession) { s.UID = "4-5-6" },
	} {
		assert.ErrorIs(t, subject.Opens(session(change)), ErrForeign, name)
	}
}

func TestKeysThatCannotBeUsedAreExplained(t *testing.T) {
	p384, certificate384 := keys(t, elliptic.P384())
	p256, _ := keys(t, elliptic.P256())
	for name, err := range map[string]error{
		"not a PEM-encoded":                   second(NewSigner([]byte("x"))),
		"384 bits":                            second(NewSigner(p384)),
		"not a PEM-encoded ECDSA certificate": second(NewVerifier([]byte("x"))),
		"curve has 384":                       second(NewVerifier(certificate384)),
		"verification":                        second(NewVerifier(p256)),
	} {
		assert.ErrorContains(t, err, name)
	}
}

func TestATokenForNobodyIsNotSigned(t *testing.T) {
	s, _, _ := pair(t)
	for _, bad := range []Subject{{}, {User: "a"}, {User: "a", Session: subject.Session}, {Session: subject.Session, UID: "1"}} {
		_, err := s.Sign(AudienceSession, bad, now, time.Hour)
		assert.Error(t, err, "%+v was signed", bad)
	}
	_, err := s.Sign(AudienceSession, subject, now, 0)
	assert.Error(t, err, "a token without a life was signed")
}

func second[T any](_ T, err error) error { return err }

func TestAClockThatIsAheadDoesNotSpoilALink(t *testing.T) {
	signer, verifier, _ := pair(t)
	for ahead, want := range map[time.Duration]error{0: nil, 45 * time.Second: nil, 59 * time.Second: nil, 2 * time.Minute: ErrNotYet, -30 * time.Minute: nil} {
		raw, err := signer.Sign(AudienceSession, subject, now.Add(ahead), time.Hour)
		require.NoError(t, err)
		_, _, err = verifier.Verify(AudienceSession, raw, now)
		assert.ErrorIs(t, err, want, "signed %s ahead", ahead)
	}
}

func TestAReplacedKeyCountsFromThenOn(t *testing.T) {
	first, _ := keys(t, elliptic.P256())
	another, _ := keys(t, elliptic.P256())
	signer, err := NewSigner(first)
	require.NoError(t, err)
	verifier := signer.Verifier()
	before := verifier.Generation()

	changed, err := signer.Use(first)
	assert.NoError(t, err)
	assert.False(t, changed, "the same key")
	changed, err = signer.Use([]byte("none"))
	assert.ErrorContains(t, err, "not a PEM-encoded")
	assert.False(t, changed)
	changed, err = signer.Use(another)
	assert.NoError(t, err)
	assert.True(t, changed)
	assert.False(t, verifier.Same(signer.Verifier()))

	changed, err = verifier.Use([]byte("none"))
	assert.Error(t, err)
	assert.False(t, changed)
	assert.Equal(t, before, verifier.Generation(), "after a refused one")
}

// unnamedTwin is what a token says, signed without the name of its key.
func unnamedTwin(t *testing.T, by *Signer, raw string) string {
	t.Helper()
	var c claims
	_, _, err := jwt.NewParser().ParseUnverified(raw, &c)
	require.NoError(t, err)
	twin, err := jwt.NewWithClaims(jwt.SigningMethodES256, c).SignedString(by.key.Load())
	require.NoError(t, err)
	return twin
}
