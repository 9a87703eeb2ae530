package portal

import (
	"net/url"
	"strings"
	"unicode"
)

// maxDestination fits an address with its query, and a cookie.
const maxDestination = 2048

// destination is a path of the same host, with its query, that a visitor asks to be sent to;
// what could lead a browser anywhere else is the root.
func destination(to string) string {
	if !local(to) {
		return "/"
	}
	return to
}

// local says that every browser takes a text for a path of the same host: browsers read a
// backslash as a slash, drop control characters, and take // for another host.
func local(to string) bool {
	if len(to) > maxDestination || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsFunc(to, func(c rune) bool {
			return c == '\\' || c == unicode.ReplacementChar || unicode.IsControl(c) || unicode.IsSpace(c)
		}) {
		return false
	}
	u, err := url.Parse(to)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && u.Opaque == "" && u.Fragment == ""
}
