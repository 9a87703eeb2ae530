package token

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MostBeside is how many keys a verifier takes beside the current one: a change a week, for as
// long as the longest token is good, and the next one.
const MostBeside = 56

// Verifier checks tokens against public keys, which can be replaced meanwhile. It is safe for
// concurrent use.
type Verifier struct {
	// live has the current key first.
	live       atomic.Pointer[[]publicKey]
	generation atomic.Uint64
}

// publicKey is one that a verifier takes.
type publicKey struct {
	name string
	key  *ecdsa.PublicKey
	// until is when it is taken no longer; the zero time is never.
	until time.Time
}

func (p publicKey) taken(now time.Time) bool { return p.until.IsZero() || now.Before(p.until) }

func (p publicKey) equal(other publicKey) bool {
	return p.key.Equal(other.key) && p.until.Equal(other.until)
}

// Verifier checks what this signer signs with its key of now, which distinguishes its own earlier
// tokens from those of a key that was replaced.
func (s *Signer) Verifier() *Verifier {
	v, key := &Verifier{}, &s.key.Load().PublicKey
	v.live.Store(&[]publicKey{{name: nameOf(key), key: key}})
	return v
}

// NewVerifier reads a certificate or public key in PEM, and certificates of keys beside it; see
// Use.
func NewVerifier(certPEM []byte, beside ...[]byte) (*Verifier, error) {
	v := &Verifier{}
	_, err := v.Use(certPEM, beside...)
	return v, err
}

// Use checks against other keys from now on: that of a certificate or public key, and those of
// the certificates of beside, each any number of them in PEM and good until its own end. It says
// whether anything is another than before; after an error all before stays.
func (v *Verifier) Use(certPEM []byte, beside ...[]byte) (changed bool, err error) {
	key, err := jwt.ParseECPublicKeyFromPEM(certPEM)
	if err != nil {
		return false, fmt.Errorf("verification certificate: not a PEM-encoded ECDSA certificate or public key: %w", err)
	}
	if err := needsP256("verification certificate", key); err != nil {
		return false, err
	}
	all := []publicKey{{name: nameOf(key), key: key}}
	for _, more := range beside {
		certs, err := ParseCertificates(more)
		if err != nil {
			return false, fmt.Errorf("verification certificate of a key beside the current one: %w", err)
		}
		for _, cert := range certs {
			key := cert.PublicKey.(*ecdsa.PublicKey) // it was checked
			all = append(all, publicKey{name: nameOf(key), key: key, until: cert.NotAfter})
		}
	}
	if n := len(all) - 1; n > MostBeside {
		return false, fmt.Errorf("there are %d verification certificates beside the current one, at most %d are taken: remove the oldest",
			n, MostBeside)
	}
	was := v.live.Swap(&all)
	if was != nil && slices.EqualFunc(*was, all, publicKey.equal) {
		return false, nil
	}
	v.generation.Add(1)
	return true, nil
}

// ParseCertificates reads certificates of P-256 keys in PEM; nothing is none.
func ParseCertificates(raw []byte) (all []*x509.Certificate, err error) {
	for len(raw) > 0 {
		block, rest := pem.Decode(raw)
		if block == nil {
			if len(strings.TrimSpace(string(raw))) > 0 {
				return nil, errors.New("not PEM")
			}
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("not a certificate: %w", err)
		}
		key, ok := cert.PublicKey.(*ecdsa.PublicKey)
		if !ok {
			return nil, errors.New("not a certificate of an ECDSA key")
		}
		if err := needsP256("certificate", key); err != nil {
			return nil, err
		}
		all, raw = append(all, cert), rest
	}
	return all, nil
}

// Generation is another number after each change of a key. Read before Verify, it says for
// how long the verdict is good.
func (v *Verifier) Generation() uint64 { return v.generation.Load() }

// Key names the current key.
func (v *Verifier) Key() string { return (*v.live.Load())[0].name }

// Takes says that a key of that name, which Verify gave, is one of those that are taken: what a
// token became ends with its key.
func (v *Verifier) Takes(key string, now time.Time) bool {
	return slices.ContainsFunc(*v.live.Load(), func(one publicKey) bool { return one.name == key && one.taken(now) })
}

// nameOf is a key's, which tokens have in their kid field.
func nameOf(key *ecdsa.PublicKey) string {
	point, err := key.Bytes()
	if err != nil {
		return "" // it was checked
	}
	sum := sha256.Sum256(point)
	return hex.EncodeToString(sum[:8])
}

// Same says whether both have one current key.
func (v *Verifier) Same(other *Verifier) bool { return v.Key() == other.Key() }

// Verified is what a token says that was checked.
type Verified struct {
	Subject
	// Expires is its end.
	Expires time.Time
	// Key names the key that has signed it.
	Key string
}

// Verify checks signature, algorithm, issuer, audience and times, and returns
// whom the token is for together with its expiry.
func (v *Verifier) Verify(aud Audience, raw string, now time.Time) (Subject, time.Time, error) {
	checked, err := v.Check(aud, raw, now)
	return checked.Subject, checked.Expires, err
}

// Check is Verify that also names the key.
func (v *Verifier) Check(aud Audience, raw string, now time.Time) (Verified, error) {
	var c claims
	key, err := v.parse(aud, raw, now, &c)
	if err != nil {
		return Verified{}, err
	}
	session, ok := parseName(c.Session)
	if !ok || c.Subject == "" || c.UID == "" {
		return Verified{}, ErrMalformed
	}
	return Verified{Subject: Subject{User: c.Subject, Session: session, UID: c.UID}, Expires: c.ExpiresAt.Time, Key: key}, nil
}

// parse checks all that tokens of every audience have in common, fills in the claims, and names
// the key.
func (v *Verifier) parse(aud Audience, raw string, now time.Time, into jwt.Claims) (key string, err error) {
	// Decoders of base64 skip line ends.
	if raw == "" || len(raw) > MaxLength || strings.ContainsAny(raw, "\r\n") {
		return "", ErrMalformed
	}
	err = ErrMalformed
	for _, one := range v.candidates(raw, now) {
		if err = one.parse(aud, raw, now, into); !errors.Is(err, ErrMalformed) {
			return one.name, err
		}
	}
	return "", err
}

// candidates are the keys that may have signed a token: the one that it names. Those of
// earlier releases name none.
func (v *Verifier) candidates(raw string, now time.Time) (all []publicKey) {
	t, _, err := jwt.NewParser().ParseUnverified(raw, &jwt.RegisteredClaims{})
	if err != nil {
		return nil
	}
	kid, named := t.Header["kid"]
	for _, one := range *v.live.Load() {
		if (!named || kid == one.name) && one.taken(now) {
			all = append(all, one)
		}
	}
	return all
}

func (p publicKey) parse(aud Audience, raw string, now time.Time, into jwt.Claims) error {
	_, err := jwt.ParseWithClaims(raw, into,
		func(*jwt.Token) (any, error) { return p.key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}),
		jwt.WithAudience(string(aud)),
		jwt.WithIssuer(Issuer),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		// Not dozens of spellings of one token, each an entry in a cache of what was checked.
		jwt.WithStrictDecoding(),
		jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return ErrExpired
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued), errors.Is(err, jwt.ErrTokenNotValidYet):
		return ErrNotYet
	case err != nil:
		// The library's text can quote parts of the token; it stays out of logs.
		return ErrMalformed
	}
	return nil
}
