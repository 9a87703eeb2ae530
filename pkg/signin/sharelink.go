package signin

import (
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// ShareParameter is the query parameter of a share's link: the share's name, a dot and the secret.
const ShareParameter = "vdi_share"

// secretBytes is how many random bytes a secret has.
const secretBytes = 32

// NewSecret is one that nobody guesses: 32 random bytes, as they stand in a URL or a cookie.
func NewSecret() string {
	raw := make([]byte, secretBytes)
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
	return share, secret, is && len(validation.IsDNS1123Label(share)) == 0 && IsSecret(secret)
}

// IsSecret says that it is written as NewSecret does, and as nothing else.
func IsSecret(raw string) bool {
	if strings.ContainsAny(raw, "\r\n") { // decoders skip them
		return false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(raw)
	return err == nil && len(b) == secretBytes
}
