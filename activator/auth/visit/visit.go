package visit

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/token"
)

// Audience keeps a cookie from being used as another kind of token, and others as a cookie.
const Audience = "vdi.kasm.io/visit"

// How long a cookie is good. What a sign-in stands behind is short, because the portal gives
// another unasked; a share's link may be used up, and whoever has opened it has to get through a
// day. Whatever a cookie rests on is looked up at each request all the same.
const (
	ForSignIn = 15 * time.Minute
	ForShare  = 12 * time.Hour
)

// renewals is how often a cookie is renewed in its life, by answers.
const renewals = 3

// leeway is how far the clocks of two replicas may differ.
const leeway = 30 * time.Second

// Errors of Read; errors.Is distinguishes them.
var (
	// ErrNone says that it is no cookie that a live key has signed.
	ErrNone = errors.New("no visit of this installation's")
	// ErrExpired says that it was one.
	ErrExpired = errors.New("the visit has expired")
)

// Grant is what a visit rests on: exactly one of its fields.
type Grant struct {
	// SignIn is a VDISignIn's name.
	SignIn string
	// Share is a share's name, and Secret the beginning of its secret's hash: a later share of
	// that name is another.
	Share, Secret string
	// Link is when the token of a link ends, and Key the key that had signed it: who replaces
	// that key takes the links back.
	Link time.Time
	Key  string
}

// Lives is how long a cookie lives that rests on it: a link's as long as the link.
func (g Grant) Lives(now time.Time) time.Duration {
	switch {
	case !g.Link.IsZero():
		return g.Link.Sub(now)
	case g.Share != "":
		return ForShare
	}
	return ForSignIn
}

func (g Grant) whole() bool {
	n := 0
	for _, is := range []bool{g.SignIn != "", g.Share != "" && g.Secret != "", !g.Link.IsZero()} {
		if is {
			n++
		}
	}
	return n == 1 && (g.Share == "") == (g.Secret == "") && g.Link.IsZero() == (g.Key == "")
}

// Visit is what a cookie says.
type Visit struct {
	// User is who visits, as far as it is known.
	User string
	// Session and UID name the session's object.
	Session types.NamespacedName
	UID     types.UID
	Grant   Grant
	// Issued is when the cookie was signed.
	Issued time.Time
	// Former says that the key before the current one has signed it.
	Former bool
}

type claims struct {
	jwt.RegisteredClaims
	Session string           `json:"vdi_session"`
	UID     types.UID        `json:"vdi_uid"`
	SignIn  string           `json:"vdi_signin,omitempty"`
	Share   string           `json:"vdi_share,omitempty"`
	Secret  string           `json:"vdi_share_secret,omitempty"`
	Link    *jwt.NumericDate `json:"vdi_link,omitempty"`
	Key     string           `json:"vdi_link_key,omitempty"`
}

// Sign makes a cookie of a visit, as of now.
func (k *Keys) Sign(v Visit, now time.Time) (string, error) {
	if v.User == "" || v.Session.Name == "" || v.Session.Namespace == "" || v.UID == "" || !v.Grant.whole() {
		return "", fmt.Errorf("cannot sign a visit of %q at %q without user, session, UID and one grant", v.User, v.Session)
	}
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{Issuer: token.Issuer, Subject: v.User, Audience: jwt.ClaimStrings{Audience},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(v.Grant.Lives(now)))},
		Session: v.Session.String(), UID: v.UID, SignIn: v.Grant.SignIn, Share: v.Grant.Share, Secret: v.Grant.Secret,
		Key: v.Grant.Key,
	}
	if !v.Grant.Link.IsZero() {
		c.Link = jwt.NewNumericDate(v.Grant.Link)
	}
	key := k.current()
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	t.Header["kid"] = key.id
	return t.SignedString(key.secret)
}

// Read checks a cookie: its key, algorithm, issuer, audience, times and that it says all.
func (k *Keys) Read(raw string, now time.Time) (Visit, error) {
	// Decoders of base64 skip line ends.
	if raw == "" || len(raw) > token.MaxLength || strings.ContainsAny(raw, "\r\n") {
		return Visit{}, ErrNone
	}
	var c claims
	var kid string
	_, err := jwt.ParseWithClaims(raw, &c, func(t *jwt.Token) (any, error) {
		kid, _ = t.Header["kid"].(string)
		if secret, ok := k.named(kid); ok {
			return secret, nil
		}
		return nil, ErrNone
	},
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithAudience(Audience), jwt.WithIssuer(token.Issuer),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(func() time.Time { return now }))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenInvalidAudience) && !errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return Visit{}, ErrExpired
	case err != nil:
		// The library's text can quote parts of the cookie; it stays out of logs.
		return Visit{}, ErrNone
	}
	namespace, name, ok := strings.Cut(c.Session, string(types.Separator))
	v := Visit{User: c.Subject, Session: types.NamespacedName{Namespace: namespace, Name: name}, UID: c.UID,
		Grant: Grant{SignIn: c.SignIn, Share: c.Share, Secret: c.Secret, Key: c.Key}}
	if c.Link != nil {
		v.Grant.Link = c.Link.Time
	}
	if !ok || name == "" || namespace == "" || v.User == "" || v.UID == "" || c.IssuedAt == nil || !v.Grant.whole() {
		return Visit{}, ErrNone
	}
	v.Issued, v.Former = c.IssuedAt.Time, kid != k.current().id
	return v, nil
}

// Ages says that a cookie has to be renewed: before its key goes, or it ends.
func (v Visit) Ages(now time.Time) bool {
	// Another of a link's would live no longer.
	return v.Former || v.Grant.Link.IsZero() && now.Sub(v.Issued) >= v.Grant.Lives(now)/renewals
}
