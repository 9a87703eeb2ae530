package route

import (
	"net"
	"strings"

	"golang.org/x/net/idna"

	"github.com/org/vdi-operator/pkg/config"
)

// maxHost is the longest host, in bytes, that is mapped: a name of DNS has 253. To map a
// longer one can take seconds.
const maxHost = 253

// Host is a host with its port in the one form by which two are compared: lower case,
// punycode, no dot at the end, and without the port that the scheme has anyway.
func Host(hostport, scheme string) string {
	host, port := hostport, ""
	if h, p, err := net.SplitHostPort(hostport); err == nil {
		host, port = h, p
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if len(host) <= maxHost {
		if ascii, err := idna.Lookup.ToASCII(host); err == nil {
			host = ascii
		}
	}
	host = strings.ToLower(host)
	switch {
	case port != "" && port != config.DefaultPort(scheme):
		return net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		return "[" + host + "]"
	}
	return host
}
