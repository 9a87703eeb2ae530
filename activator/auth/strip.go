package auth

import (
	"net/http"
	"net/url"
	"strings"
)

// Strip removes this product's credentials from a header on its way to a desktop.
// The desktop's own stay: other cookies, and an Authorization header where the
// visitor was known by the cookie.
func Strip(h http.Header) {
	lines := h.Values("Cookie")
	h.Del("Cookie")
	byCookie := false
	var keep []string
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimSpace(pair)
			switch name, _, _ := strings.Cut(pair, "="); name {
			case "":
			case secureCookie, plainCookie:
				byCookie = true
			default:
				keep = append(keep, pair)
			}
		}
	}
	if len(keep) > 0 {
		h.Set("Cookie", strings.Join(keep, "; "))
	}
	if !byCookie && strings.HasPrefix(h.Get("Authorization"), bearer) {
		h.Del("Authorization")
	}
}

// StripQuery removes a link's token from an address and leaves the rest of the
// query as it was written.
func StripQuery(u *url.URL) {
	if u.RawQuery == "" {
		return
	}
	var keep []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err != nil || plain != QueryParameter {
			keep = append(keep, pair)
		}
	}
	u.RawQuery = strings.Join(keep, "&")
}
