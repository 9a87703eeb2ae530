package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/org/vdi-operator/activator/route"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/signin"
	"github.com/org/vdi-operator/pkg/token"
)

// desktopCookie begins the names under which browsers keep the cookies that desktops set.
// Only these come back to a desktop, by the names that it gave them: whatever else is
// sent to the session's host was set by somebody else, such as a single sign-on of the
// parent domain.
const desktopCookie = "vdi-desktop."

// credentials are fields of a request by which a proxy in front says who visits, or
// proves it; * stands for any end of a name. A desktop has the visitor's word from none
// of them: the session's token was checked here.
var credentials = []string{
	"Authorization", "X-Forwarded-Authorization", "X-Serverless-Authorization", // the latter two: Google's gateways, Cloud Run
	"X-Auth-*", "X-Forwarded-Access-Token", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups",
	"X-Forwarded-Preferred-Username",                                             // oauth2-proxy, Keycloak's gatekeeper
	"Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name", "Remote-Role", // Authelia, Pangolin
	"X-Authentik-*", "X-Vouch-*", "X-Webauth-*", "X-Pomerium-*", "Tailscale-*", "Teleport-Jwt-*",
	"Oidc-*", "Oauth2-Claim-*", "Mellon-*", "Cas-*", "Shib-*", // modules of Apache: OpenID Connect, OAuth 2, SAML, CAS, Shibboleth
	"X-Userinfo", "X-Id-Token", "X-Access-Token", "X-Refresh-Token", // APISIX, Kong
	"X-Consumer-*", "X-Anonymous-Consumer", "X-Credential-*", "X-Authenticated-*", // Kong, APISIX
	"X-Jwt-Assertion",     // WSO2
	"X-Token-*", "X-User", // caddy-security, Oathkeeper
	"X-Remote-*",                     // Kubernetes' authenticating proxies
	"X-Amzn-Oidc-*", "X-Amzn-Mtls-*", // ALB
	"X-Amzn-Ava-*", "X-Amzn-Lattice-*", // Verified Access, VPC Lattice
	"X-Goog-Iap-*", "X-Goog-Authenticated-User-*", "X-Appengine-User*", // IAP, App Engine
	"X-Apigateway-Api-Userinfo", "X-Endpoint-Api-Userinfo", // Google's API Gateway, Cloud Endpoints
	"Cf-Access-*",                            // Cloudflare Access
	"X-Ms-Client-Principal*", "X-Ms-Token-*", // Azure App Service
	"Sm-*", "Smuser*", "Smserversession*", // SiteMinder, which writes its names without _ too
	"Iv-*",            // IBM WebSEAL
	"Oam-*", "Osso-*", // Oracle Access Manager
	"X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert*", "Ssl-Client-*", "X-Ssl-Client-*", // Envoy, Traefik, ingress-nginx, HAProxy
	"Client-Cert*", "X-Client-Cert*", "X-Arr-Clientcert", "Cf-Client-Cert-*", "Cf-Cert-*", // RFC 9440, GKE, Azure, Cloudflare
}

// Filter keeps credentials between visitors and desktops where they belong.
type Filter struct {
	passed config.Passed
	// never are fields that no desktop gets, whatever is passed.
	never []string
}

// NewFilter makes a filter; passed is what an administrator lets through besides, and never are
// fields of which nothing is.
func NewFilter(passed config.Passed, never ...string) Filter { return Filter{passed, never} }

// Request leaves of a header on its way to a desktop the desktop's own cookies, and no
// credentials but those that are passed by configuration. This product's never are.
func (f Filter) Request(h http.Header) {
	lines := h.Values("Cookie")
	h.Del("Cookie")
	var keep []string
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimSpace(pair)
			name, _, _ := strings.Cut(pair, "=")
			name = strings.TrimSpace(name) // as who reads it does
			theirs, is := strings.CutPrefix(name, desktopCookie)
			theirs = strings.TrimSpace(theirs)
			if (is || Matches(f.passed.Cookies, name)) && !isOurs(theirs) {
				keep = append(keep, strings.TrimPrefix(pair, desktopCookie))
			}
		}
	}
	if len(keep) > 0 {
		h.Set("Cookie", strings.Join(keep, "; "))
	}
	for name := range h {
		// To many programs behind a web server _ is -, as it is in an environment.
		credential := Matches(credentials, strings.ReplaceAll(name, "_", "-"))
		// A gateway may have moved ours to a field that nobody knows.
		never := slices.ContainsFunc(f.never, func(field string) bool { return sameField(name, field) })
		if never || credential && !Matches(f.passed.Headers, name) || name != "Cookie" && slices.ContainsFunc(h[name], ours) {
			delete(h, name)
		}
	}
}

// Personal says that what Request has left of a header tells visitors apart.
func (f Filter) Personal(h http.Header) bool {
	for name := range h {
		if name == "Cookie" || Matches(f.passed.Headers, name) {
			return true
		}
	}
	return false
}

// Answer has a desktop's cookies kept for its own host, under names that lead back to it.
// A cookie that scripts may read is kept by the desktop's name too. Cookies that look like
// this product's are dropped.
func (f Filter) Answer(h http.Header) {
	lines := h["Set-Cookie"]
	delete(h, "Set-Cookie")
	for _, line := range lines {
		pair, attributes, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		name = textproto.TrimString(name)
		// Browsers send a cookie without a name as its value, which may look like a name.
		if name == "" || isOurs(name) {
			continue
		}
		kept, hidden := withoutDomain(attributes)
		pair = name + "=" + textproto.TrimString(value) + kept
		passes := Matches(f.passed.Cookies, name)
		if !hidden || passes {
			h.Add("Set-Cookie", pair)
		}
		if !passes {
			h.Add("Set-Cookie", desktopCookie+pair)
		}
	}
}

// withoutDomain returns a cookie's attributes, as they were written, but Domain: no
// desktop sets what others get. hidden says that no script may read the cookie.
func withoutDomain(attributes string) (kept string, hidden bool) {
	for attribute := range strings.SplitSeq(attributes, ";") {
		name, _, _ := strings.Cut(attribute, "=")
		switch name = textproto.TrimString(name); {
		case name == "" || strings.EqualFold(name, "Domain"):
			continue
		case strings.EqualFold(name, "HttpOnly"):
			hidden = true
		}
		kept += ";" + attribute
	}
	return kept, hidden
}

// isOurs says that a cookie of that name is this product's, or lives as a desktop's does.
func isOurs(name string) bool {
	return Matches([]string{secureCookie, folderCookie, plainCookie, secureBrowser, folderBrowser, plainBrowser, desktopCookie + "*"}, name)
}

// Matches says that a name is in a list, or begins as an entry with * at its end does.
func Matches(list []string, name string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		if start, is := strings.CutSuffix(entry, "*"); is {
			return len(name) >= len(start) && strings.EqualFold(name[:len(start)], start)
		}
		return strings.EqualFold(entry, name)
	})
}

// ours says that a credential holds what claims to be this product's token, good or not, however
// it is written: any piece of it that is base64 may be the claims, or a password that has them.
func ours(credential string) bool {
	for piece := range strings.FieldsFuncSeq(credential, func(c rune) bool { return !strings.ContainsRune(base64Digits, c) }) {
		if raw, err := base64.RawStdEncoding.DecodeString(toStd.Replace(piece)); err == nil {
			var claims struct {
				Issuer string `json:"iss"`
			}
			if json.Unmarshal(raw, &claims) == nil && claims.Issuer == token.Issuer || bytes.Contains(raw, []byte(".")) && ours(string(raw)) {
				return true
			}
		}
	}
	return false
}

// base64Digits are those of both alphabets; toStd makes one of them.
const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"

var toStd = strings.NewReplacer("-", "+", "_", "/")

// StripQuery removes links from an address.
func StripQuery(u *url.URL) {
	u.RawQuery = route.WithoutQuery(u.RawQuery, QueryParameter, signin.ShareParameter)
}
