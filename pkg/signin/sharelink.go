package signin

import (
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"strings"
)

// ShareParameter is the query parameter of a share's link: the share's name, a dot and the secret.
const ShareParameter = "vdi_share"

// NewSecret is one that nobody guesses: 32 random bytes, as they stand in a URL or a cookie.
func NewSecret() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // it never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}

// ShareLink is the link of a share to a session's URL.
func ShareLink(session, share, secret string) string {
	return session + "?" + url.Values{ShareParameter: {share + "." + secret}}.Encode()
}

// ParseShareLink is what ShareParameter has.
func ParseShareLink(value string) (share, secret string, is bool) {
	share, secret, is = strings.Cut(value, ".")
	return share, secret, is && share != "" && len(secret) == base64.RawURLEncoding.EncodedLen(32)
}
