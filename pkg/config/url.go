package config

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// namespaceHashLength is the number of characters, of 5 bits each, that stand for a
// namespace whose name does not fit a host's label beside the session's name of at most
// 40 characters: 100 bits, so that nobody finds a namespace with another's hash.
const namespaceHashLength = 20

// URL is how sessions are addressed from outside: scheme://<session>--<namespace>.domain[:port]/,
// or scheme://domain[:port]/<session>--<namespace>/ with the routing by path.
type URL struct {
	// Scheme is http or https.
	Scheme string `json:"scheme"`
	// Routing says whether a session is a host or a folder.
	Routing Routing `json:"routing"`
	// Domain is the parent of every session's host name, or the host of all of them.
	Domain string `json:"domain"`
	// Port is the port in URLs; 0 is the scheme's own.
	Port int `json:"port"`
}

// Routing says what of a URL leads to its session.
type Routing string

const (
	// RoutingHost gives every session a host, and so an origin, of its own. It is what
	// holds where nothing is said.
	RoutingHost Routing = "host"
	// RoutingPath gives every session a folder of one host, which needs no wildcard in
	// DNS or in a certificate. All sessions share one origin then: see
	// docs/decisions/0014-path-routing.md.
	RoutingPath Routing = "path"
)

func (u URL) validate() (errs field.ErrorList) {
	bad := func(name string, value any, remedy string) {
		errs = append(errs, field.Invalid(field.NewPath("url", name), value, remedy))
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		bad("scheme", u.Scheme, "must be http or https")
	}
	if u.Routing != RoutingHost && u.Routing != RoutingPath {
		bad("routing", u.Routing, "must be host or path")
	}
	if problems := validation.IsDNS1123Subdomain(u.Domain); len(problems) > 0 {
		bad("domain", u.Domain, "must be a bare domain such as vdi.example.com, without scheme, port or wildcard")
	}
	if u.Port < 0 || u.Port > maxPort {
		bad("port", u.Port, "must be between 1 and 65535, or 0 for the scheme's own")
	}
	return errs
}

// ByPath says that sessions are folders of one host.
func (u URL) ByPath() bool { return u.Routing == RoutingPath }

// label is unique to the session: <session>--<namespace>. A session's name holds no
// "--", so the first one separates them and no two sessions share an address. Where
// that does not fit the 63 characters of a host's label, it is <session>---<hash of the
// namespace>, which is no other session's label either: no namespace begins with "-".
func label(namespace, name string) string {
	l := name + "--" + namespace
	if len(l) > validation.DNS1123LabelMaxLength {
		sum := sha256.Sum256([]byte(namespace))
		l = name + "---" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:namespaceHashLength]
	}
	return l
}

// SessionHost is the session's host name without port: <session>--<namespace>.<domain>,
// or the domain itself where sessions are folders.
func (u URL) SessionHost(namespace, name string) string {
	if u.ByPath() {
		return u.Domain
	}
	return label(namespace, name) + "." + u.Domain
}

// SessionPath is the session's folder on its host, with a slash at both ends: "/", or
// /<session>--<namespace>/ where sessions are folders.
func (u URL) SessionPath(namespace, name string) string {
	if u.ByPath() {
		return "/" + label(namespace, name) + "/"
	}
	return "/"
}

// SessionAddress is the session's host and folder, without port and last slash. No two
// sessions have the same.
func (u URL) SessionAddress(namespace, name string) string {
	return u.SessionHost(namespace, name) + strings.TrimSuffix(u.SessionPath(namespace, name), "/")
}

// maxName is the longest name of a session.
const maxName = 40

// Parts are the namespace and the name in what SessionAddress may have written, for whichever
// session; a namespace that begins with "-" stands for one whose name does not fit.
func (u URL) Parts(address string) (namespace, name string, ok bool) {
	l, ok := strings.CutSuffix(address, "."+u.Domain)
	if u.ByPath() {
		l, ok = strings.CutPrefix(address, u.Domain+"/")
	}
	name, namespace, is := strings.Cut(l, "--")
	fits := len(l) <= validation.DNS1123LabelMaxLength && len(name) <= maxName && len(validation.IsDNS1035Label(name)) == 0
	hash, hashed := strings.CutPrefix(namespace, "-")
	if hashed {
		fits = fits && len(hash) == namespaceHashLength && strings.Trim(hash, "abcdefghijklmnopqrstuvwxyz234567") == ""
	} else {
		fits = fits && len(validation.IsDNS1123Label(namespace)) == 0
	}
	return namespace, name, ok && is && fits
}

// Names says that Parts gave this namespace for the one of a session of that name.
func (u URL) Names(parts, namespace, name string) bool {
	return label(parts, name) == label(namespace, name)
}

// DefaultPort is the port of a scheme's addresses that name none.
func DefaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// SessionURL is where a person opens the session.
func (u URL) SessionURL(namespace, name string) string {
	return u.Origin(u.SessionHost(namespace, name)) + u.SessionPath(namespace, name)
}

// Origin is that of a host with this scheme and port, without a slash at its end.
func (u URL) Origin(host string) string {
	if port := strconv.Itoa(u.Port); u.Port != 0 && port != DefaultPort(u.Scheme) {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}
