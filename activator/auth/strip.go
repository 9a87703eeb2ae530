package auth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/token"
)

// Strip removes this product's credentials from a header on its way to a desktop.
// The desktop's own stay: other cookies, and an Authorization header that holds no
// token of this product.
func Strip(h http.Header) {
	lines := h.Values("Cookie")
	h.Del("Cookie")
	var keep []string
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimSpace(pair)
			switch name, _, _ := strings.Cut(pair, "="); name {
			case "", secureCookie, folderCookie, plainCookie:
			default:
				keep = append(keep, pair)
			}
		}
	}
	if len(keep) > 0 {
		h.Set("Cookie", strings.Join(keep, "; "))
	}
	if raw, ok := bearer(h); ok && ours(raw) {
		h.Del("Authorization")
	}
}

// ours says that a token claims to be this product's, whether it is good or not.
func ours(raw string) bool {
	var claims jwt.RegisteredClaims
	_, _, err := jwt.NewParser().ParseUnverified(raw, &claims)
	return err == nil && claims.Issuer == token.Issuer
}

// StripQuery removes a link's token from an address.
func StripQuery(u *url.URL) { u.RawQuery = route.WithoutQuery(u.RawQuery, QueryParameter) }
