package attacks

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/token"
)

func withoutTLS(c *config.Config) { c.URL.Scheme = "http" }

// passingAll is an administrator who lets everything through: what is ours does not go.
func passingAll(c *config.Config) {
	c.Passed = config.Passed{Cookies: []string{"*"}, Headers: []string{"Authorization"}}
}

// cookies are what others have set for the domain, or say that they have.
func cookies(h *house) (all []attack) {
	bobs := h.Token(token.AudienceSession, h.bob, 0)
	add := func(name string, why *closing.Refusal, fields ...string) {
		all = append(all, attack{name: name, who: neighbour, sent: get("/", victim, fields...), want: fmt.Sprint(why.Status), why: why})
	}
	const ours = "__Host-vdi-session"
	for name, value := range map[string]string{
		"as it is": ours + "=" + bobs, "in quotes": ours + `="` + bobs + `"`, "with spaces before": "   " + ours + "=" + bobs,
		"with a space behind the name": ours + " =" + bobs, "with a tab behind the name": ours + "\t=" + bobs, "with spaces behind": ours + "=" + bobs + "   ",
		"behind others": "a=b; c=d; " + ours + "=" + bobs, "before others": ours + "=" + bobs + "; a=b", "without a space": "a=b;" + ours + "=" + bobs,
		"behind empty ones": ";;; ;" + ours + "=" + bobs, "twice": ours + "=" + bobs + "; " + ours + "=" + bobs,
		"behind an empty one of the name": ours + "=; " + ours + "=" + bobs, "behind rubbish": "\x80\xff; " + ours + "=" + bobs,
		"behind a name alone": "a; " + ours + "=" + bobs, "behind one in half quotes": `a="b; ` + ours + "=" + bobs,
	} {
		add("bob's token "+name, closing.ForeignToken, "Cookie: "+value)
	}
	add("bob's token on a second line", closing.ForeignToken, "Cookie: a=b", "Cookie: "+ours+"="+bobs)
	add("bob's token on a line that is folded", closing.ForeignToken, "Cookie: a=b;\r\n "+ours+"="+bobs)
	for name, value := range map[string]string{
		"a hundred of the name": strings.Repeat(ours+"=x; ", 100), "two hundred of the name, each other": many(200, ours+"=junk%d"),
		"bob's behind junk of the name": ours + "=x; " + ours + "=" + bobs,
	} {
		add("junk: "+name, closing.BadToken, "Cookie: "+value)
	}
	for name, value := range map[string]string{
		"thousands": many(2900, "a%d=b"), "ten thousand": strings.Repeat("a=b;", 10000), "thousands of a name": strings.Repeat("vdi-session=x;", 3500),
		"60 KiB of one": "a=" + strings.Repeat("x", 60<<10), "60 KiB of a name": strings.Repeat("x", 60<<10) + "=a", "semicolons": strings.Repeat(";", 50000),
		"equals": strings.Repeat("=", 50000),
		"quotes": strings.Repeat(`"`, 50000), "commas": strings.Repeat(",", 50000), "an empty one": ours + "=", "empty quotes": ours + `=""`,
		"a name alone": ours, "an equals alone": "=",
	} {
		add("junk: "+name, closing.NoToken, "Cookie: "+value)
	}
	for _, name := range []string{
		"vdi-session", "__Secure-vdi-session", "vdi-desktop." + ours, "vdi-desktop.vdi-session", "__host-vdi-session", "__HOST-vdi-session",
		"__Host-vdi-Session", "__Host-vdi_session", "__Host--vdi-session", "__Host-vdi-session2", "__Host-vdi-sessio", "_Host-vdi-session",
		"__Host-__Host-vdi-session", "__Http-vdi-session", "__Host-Http-vdi-session",
		"=" + ours, "$" + ours, "$Version=1; $Path=/; Host-vdi-session", "%5f%5fHost-vdi-session", "\"" + ours + "\"", "'" + ours + "'", "__Host-vdi-session[]",
		"__Host-vdi-session:", "__Host\u2010vdi-session", "\u200b" + ours, "\xc2\xa0" + ours, "\v" + ours, "a=" + ours, "a," + ours, ours + ";x", ours + "\\",
	} {
		why := closing.NoToken
		if strings.Contains(name, "\v") {
			all = append(all, attack{name: "planted as " + name, who: neighbour, sent: get("/", victim, "Cookie: "+name+"="+bobs), want: "400",
				why: closing.MalformedHead})
			continue
		}
		add("planted as "+name, why, "Cookie: "+name+"="+bobs)
	}
	return all
}

func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		_, _ = fmt.Fprintf(&b, format+"; ", i)
	}
	return b.String()
}

// plainCookies are what other hosts of the domain plant where there is no TLS, and with it no
// prefix that keeps them from it: alice comes in all the same, and none of it leads anywhere.
func plainCookies(h *house) (all []attack) {
	good, bobs := h.Token(token.AudienceSession, h.alice, 0), h.Token(token.AudienceSession, h.bob, 0)
	for name, value := range map[string]string{
		"junk before hers": "vdi-session=junk; vdi-session=" + good, "junk behind hers": "vdi-session=" + good + "; vdi-session=junk",
		"bob's before hers": "vdi-session=" + bobs + "; vdi-session=" + good, "fifty before hers": many(50, "vdi-session=junk%d") + "vdi-session=" + good,
		"an empty one before hers": "vdi-session=; vdi-session=" + good, "half a quote before hers": `vdi-session="; vdi-session=` + good,
		"thousands of others": many(2000, "a%d=b") + "vdi-session=" + good,
	} {
		all = append(all, attack{name: name, who: page, sent: get("/app.js", victim, "Cookie: "+value, "Origin: http://"+victim), want: "200", reaches: 1,
			never: []string{"junk", good, bobs, "a1=b"}})
	}
	for name, value := range map[string]string{"bob's": "vdi-session=" + bobs, "bob's as with TLS": "__Host-vdi-session=" + bobs + "; vdi-session=" + bobs} {
		all = append(all, attack{name: name, who: neighbour, sent: get("/app.js", victim, "Cookie: "+value), want: "403", why: closing.ForeignToken})
	}
	all = append(all, attack{name: "hers as with TLS", who: stranger, sent: get("/app.js", victim, "Cookie: __Host-vdi-session="+good), want: "401",
		why: closing.NoToken})
	return all
}

// secret is what a proxy says of the visitor, or what another host has set.
const secret = "secret-of-another"

// identities are fields by which proxies say who visits.
var identities = []string{
	"Authorization", "Proxy-Authorization", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Access-Token", "X-Auth-Request-Redirect",
	"X-Forwarded-Access-Token", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username",
	"Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name", "X-Remote-User", "X-Remote-Group", "X-Remote-Extra-Scopes", "X-Authentik-Username",
	"X-Authentik-Jwt", "X-Vouch-User", "X-Vouch-Idp-AccessToken", "X-WebAuth-User", "X-Pomerium-Jwt-Assertion", "X-Pomerium-Claim-Email",
	"X-Amzn-Oidc-Accesstoken", "X-Amzn-Oidc-Data", "X-Amzn-Oidc-Identity", "X-Amzn-Mtls-Clientcert", "X-Goog-Iap-Jwt-Assertion",
	"X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id", "Cf-Access-Jwt-Assertion", "Cf-Access-Authenticated-User-Email",
	"Cf-Access-Client-Secret",
	"X-Ms-Client-Principal", "X-Ms-Client-Principal-Name", "X-Ms-Client-Principal-Id", "X-Ms-Token-Aad-Id-Token", "X-Arr-ClientCert", "X-Forwarded-Client-Cert",
	"X-Forwarded-Tls-Client-Cert", "X-Forwarded-Tls-Client-Cert-Info", "Ssl-Client-Cert", "Ssl-Client-Subject-Dn", "Ssl-Client-Verify",
	"X-Ssl-Client-Cert", "X-Ssl-Client-S-Dn", "X-Client-Cert", "X-Client-Certificate", "Client-Cert", "Client-Cert-Chain", "Tailscale-User-Login",
	"Tailscale-User-Name", "Tailscale-User-Profile-Pic", "Oidc-Claim-Email", "Oidc-Access-Token", "Oidc_Claim_email", "X_Forwarded_User", "Remote_User",
	"Ssl_Client_Cert", "X-Userinfo", "X-Id-Token", "X-Access-Token", "X-Refresh-Token", "X-Forwarded-Authorization", "X-Serverless-Authorization",
	"X-Auth-Token", "X-Auth-Userid", "X-Auth-Roles", "Remote-Role", "Tailscale-App-Capabilities", "Teleport-Jwt-Assertion", "Teleport_Jwt_Assertion",
	"OAuth2_Claim_sub", "Mellon-Name-Id", "CAS-User", "Shib-Identity-Provider", "X-Consumer-Id", "X-Consumer-Custom-Id", "X-Consumer-Username",
	"X-Consumer-Groups", "X_Consumer_Username", "X-Anonymous-Consumer", "X-Credential-Identifier", "X-Authenticated-Userid", "X-Authenticated-Scope",
	"X-JWT-Assertion", "X-Amzn-Ava-User-Context", "X-Appengine-User-Email", "X-Appengine-User-Is-Admin", "X-Apigateway-Api-Userinfo",
	"X-Endpoint-API-UserInfo", "Sm-User", "Sm_User", "Sm_ServerSessionId", "Sm_UserGroups", "SmUser", "SmUserDn", "SmServerSessionId", "Iv-User", "Iv_User",
	"Iv-Groups", "Iv-Creds", "Oam_Remote_User", "Osso-User-Dn", "Cf-Client-Cert-Der-Base64", "Cf-Cert-Subject-Dn",
}

// reaching are what a hostile desktop would like to hear of its visitor.
func reaching(h *house) (all []attack) {
	cookie, good := h.cookie(), h.Token(token.AudienceSession, h.alice, 0)
	add := func(name string, never string, sent string) {
		all = append(all, attack{name: name, who: shell, sent: sent, want: "200", reaches: 1, never: []string{never, "__Host-vdi-session", "eyJ"}})
	}
	for _, name := range identities {
		add(name, secret, get("/app.js", victim, cookie, name+": "+secret))
		add(name+" in capitals", secret, get("/app.js", victim, cookie, strings.ToUpper(name)+": "+secret))
	}
	for name, value := range map[string]string{
		"a sign-on's cookie": "_oauth2_proxy=" + secret, "a cookie of the domain": "sso=" + secret, "a cookie without a name": "=" + secret,
		"a cookie without a value": secret, "a cookie that looks like a desktop's": "vdi-desktop=" + secret,
		"a desktop's in capitals": "VDI-DESKTOP.a=" + secret,
		"ours as a desktop's":     "vdi-desktop.__Host-vdi-session=" + secret, "ours of plain HTTP as a desktop's": "vdi-desktop.vdi-session=" + secret,
		"a desktop's as a desktop's": "vdi-desktop.vdi-desktop.a=" + secret, "ours of plain HTTP": "vdi-session=" + secret,
		"ours of folders":                   "__Secure-vdi-session=" + secret,
		"ours with a space behind the name": "vdi-session =" + secret, "ours in capitals": "VDI-SESSION=" + secret,
		"ours as a desktop's with a space behind the name": "vdi-desktop.vdi-session =" + secret,
		"ours as a desktop's with a space before the name": "vdi-desktop. vdi-session=" + secret, "a comma": "a=b,vdi-desktop.a=" + secret,
	} {
		add(name, secret, get("/app.js", victim, cookie+"; "+value))
		add(name+" on a line of its own", secret, get("/app.js", victim, "Cookie: "+value, cookie))
	}
	for name, sent := range map[string]string{
		"the link's token": request("POST /app.js?vdi_token="+good+" HTTP/1.1", "Host: "+victim, "Connection: close", "Content-Length: 0", cookie),
		"the link's token by an escaped name": request("POST /app.js?%76di_token="+good+" HTTP/1.1", "Host: "+victim, "Connection: close", "Content-Length: 0",
			cookie),
		"the link's token twice": request("POST /app.js?vdi_token=x&a=b&vdi_token="+good+" HTTP/1.1", "Host: "+victim, "Connection: close", "Content-Length: 0",
			cookie), "a bearer of ours": get("/app.js", victim, "Authorization: Bearer "+good),
		"a bearer of ours in small":              get("/app.js", victim, "Authorization: bearer "+good),
		"a bearer of ours that Connection names": get("/app.js", victim, "Authorization: Bearer "+good, "Connection: Authorization"),
		"a proxy's field that Connection names":  get("/app.js", victim, cookie, "Connection: X-Secret", "X-Secret: "+good),
	} {
		add(name, good, sent)
	}
	return all
}

// reachingPassed are credentials of ours where an administrator lets everybody's through.
func reachingPassed(h *house) (all []attack) {
	cookie, good := h.cookie(), h.Token(token.AudienceSession, h.alice, 0)
	expired := h.Token(token.AudienceSession, h.alice, 7200e9)
	signature := good[strings.LastIndexByte(good, '.')+1:]
	for name, value := range map[string]string{
		"as it is": "Bearer " + good, "in small": "bearer " + good, "in capitals": "BEARER " + good, "with two spaces": "Bearer  " + good,
		"with a tab": "Bearer\t" + good, "with a space and a tab": "Bearer \t " + good, "without its scheme": good, "without a space": "Bearer" + good,
		"behind a colon": "Bearer: " + good, "behind an equals": "Bearer=" + good, "as a parameter": `Bearer token="` + good + `"`,
		"behind a password": "Basic YTpi, Bearer " + good, "before a password": "Bearer " + good + ", Basic YTpi", "twice": "Bearer " + good + " " + good,
		"of another scheme": "Token " + good, "of DPoP": "DPoP " + good, "of JWT": "JWT " + good,
		"with a dot behind": "Bearer " + good + ".", "with a dot before": "Bearer ." + good, "with a part more": "Bearer " + good + ".x",
		"with padding": "Bearer " + good + "==", "in angles": "Bearer <" + good + ">", "in half a quote": `Bearer "` + good,
		"with a wide space": "Bearer\u3000" + good, "without its header": "Bearer " + good[strings.IndexByte(good, '.')+1:],
		"expired": "Bearer\t" + expired, "as a password": "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+good)),
		"as a user":              "Basic " + base64.StdEncoding.EncodeToString([]byte(good+":")),
		"as a password in small": "basic  " + base64.StdEncoding.EncodeToString([]byte("a:"+good)),
	} {
		never := []string{signature, "eyJ", "ZXlK", base64.StdEncoding.EncodeToString([]byte("alice:" + good))[20:60]}
		all = append(all,
			attack{name: "our bearer " + name, who: shell, sent: get("/app.js", victim, cookie, "Authorization: "+value), want: "200", reaches: 1,
				never: never},
			attack{name: "our bearer " + name + ", in a second field", who: shell,
				sent: get("/app.js", victim, cookie, "Authorization: Basic YTpi", "Authorization: "+value), want: "200", reaches: 1, never: never})
	}
	for _, name := range []string{"__Host-vdi-session", "__host-vdi-session", "__Host-vdi-session ", "__Host-vdi-session\t", "vdi-session", "vdi-session ",
		"__Secure-vdi-session ", "VDI-SESSION", " vdi-session", "vdi-desktop.vdi-session", "vdi-desktop.vdi-session "} {
		all = append(all, attack{name: fmt.Sprintf("our cookie %q", name), who: shell,
			sent: get("/app.js", victim, cookie, "Cookie: a=b; "+name+"="+good+"; c=d"), want: "200", reaches: 1, never: []string{signature, "eyJ"}})
	}
	return all
}
