// Package token issues and checks the kinds of JSON Web Token that the product signs
// itself: links, by which a person opens a session; pod tokens, by which a desktop asks for
// its TURN credentials and the agent beside it announces its pod; and orders to the program
// on a node, to freeze or thaw one pod's desktop.
//
// The algorithm is pinned to ES256; aud, exp and sub are required. The private
// key stays with those who sign; a verifier needs only the certificate. Beside it may be those
// of keys that were replaced, so that what they have signed stays good, and of the next one.
//
// A token's bytes do not name it. With a signature (r, s) its twin (r, n-s) is as good, and
// anybody can make the one of the other. Neither is refused: signers give both, and what is
// signed stays good. So whoever revokes tokens, counts them or keeps them from somewhere has
// to go by what they say; a cache of what was checked may go by bytes.
package token

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"k8s.io/apimachinery/pkg/types"
)

// Audience keeps one kind of token from being used as another.
type Audience string

const (
	// AudienceSession is a person's link to a session.
	AudienceSession Audience = "vdi.kasm.io/session"
	// AudienceTURN is a desktop's right to ask for TURN credentials.
	AudienceTURN Audience = "vdi.kasm.io/turn"
	// AudienceAgent is the right of the agent in a desktop's pod to speak for its pod.
	AudienceAgent Audience = "vdi.kasm.io/agent"
	// AudienceNode is an Order to the program on a node.
	AudienceNode Audience = "vdi.kasm.io/node"
)

// Issuer is the iss claim of every token that this product signs.
const Issuer = "vdi-operator"

// MaxLength is the longest token, in bytes, that Verify parses.
const MaxLength = 4096

// leeway is how far the clocks of signer and verifier may differ: each time in a token has
// it when it is checked, and a token is dated back by it besides.
const leeway = 30 * time.Second

// Errors that Verify returns; errors.Is distinguishes them.
var (
	ErrMalformed = errors.New("token is malformed or not signed by this installation")
	ErrExpired   = errors.New("token has expired")
	ErrNotYet    = errors.New("token is not valid yet: it was signed by a clock that is ahead of this one")
	ErrForeign   = errors.New("token is for another session")
)

// Subject is the user and the session of a token.
type Subject struct {
	// User is the sub claim.
	User string
	// Session and UID name the session's object; the UID keeps a link from opening
	// a later session of the same name.
	Session types.NamespacedName
	UID     types.UID
}

type claims struct {
	jwt.RegisteredClaims
	Session string    `json:"vdi_session"`
	UID     types.UID `json:"vdi_uid"`
}

// Signer signs tokens with a P-256 private key, which can be replaced meanwhile.
type Signer struct {
	key atomic.Pointer[ecdsa.PrivateKey]
}

// NewSigner reads a P-256 private key in PEM, PKCS #8 or SEC 1.
func NewSigner(keyPEM []byte) (*Signer, error) {
	s := &Signer{}
	_, err := s.Use(keyPEM)
	return s, err
}

// Use signs with another key from now on. It says whether that is another one than before;
// after an error the one before stays.
func (s *Signer) Use(keyPEM []byte) (changed bool, err error) {
	key, err := jwt.ParseECPrivateKeyFromPEM(keyPEM)
	if err != nil {
		return false, fmt.Errorf("signing key: not a PEM-encoded ECDSA private key: %w", err)
	}
	if err := needsP256("signing key", &key.PublicKey); err != nil {
		return false, err
	}
	was := s.key.Swap(key)
	return was == nil || !was.Equal(key), nil
}

func needsP256(what string, key *ecdsa.PublicKey) error {
	if bits := key.Curve.Params().BitSize; bits != 256 {
		return fmt.Errorf("%s: curve has %d bits, ES256 needs a P-256 key", what, bits)
	}
	return nil
}

// Sign issues a token that expires ttl after now.
func (s *Signer) Sign(aud Audience, sub Subject, now time.Time, ttl time.Duration) (string, error) {
	if sub.User == "" || sub.Session.Name == "" || sub.UID == "" {
		return "", fmt.Errorf("cannot sign a token without user, session and UID (have %q, %q, %q)", sub.User, sub.Session, sub.UID)
	}
	if ttl <= 0 {
		return "", fmt.Errorf("token lifetime %s: must be above zero", ttl)
	}
	return s.sign(claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    Issuer,
			Subject:   sub.User,
			Audience:  jwt.ClaimStrings{string(aud)},
			IssuedAt:  jwt.NewNumericDate(now.Add(-leeway)),
			ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		Session: sub.Session.String(),
		UID:     sub.UID,
	})
}

// sign names the key in the token.
func (s *Signer) sign(what jwt.Claims) (string, error) {
	key, t := s.key.Load(), jwt.NewWithClaims(jwt.SigningMethodES256, what)
	t.Header["kid"] = nameOf(&key.PublicKey)
	return t.SignedString(key)
}
