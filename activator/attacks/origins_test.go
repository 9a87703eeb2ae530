package attacks

import (
	"fmt"
	"strings"

	"github.com/org/vdi-operator/activator/closing"
)

// origins are requests that other sites' pages make in the browser of somebody who has
// alice's cookie.
func origins(h *house) (all []attack) {
	cookie := h.cookie()
	add := func(name, sent string) {
		all = append(all, attack{name: name, who: page, sent: sent, want: "403", why: closing.ForeignOrigin})
	}
	for name, origin := range map[string]string{
		"a sandbox":                      "null",
		"a sandbox in capitals":          "NULL",
		"a neighbour":                    "https://" + other,
		"the domain":                     "https://" + domain,
		"the domain's parent":            "https://example.com",
		"another site":                   "https://evil.example",
		"another port":                   "https://" + victim + ":8443",
		"the port of http":               "https://" + victim + ":80",
		"port 0":                         "https://" + victim + ":0",
		"the host over http":             "http://" + victim,
		"the host over http at 443":      "http://" + victim + ":443",
		"the host over ws":               "ws://" + victim,
		"the host over ftp":              "ftp://" + victim,
		"an extension":                   "chrome-extension://abcdefghijklmnop",
		"an extension of that name":      "moz-extension://" + victim,
		"a file":                         "file://",
		"a file of that host":            "file://" + victim,
		"a blob":                         "blob:https://" + victim,
		"data":                           "data:text/html,x",
		"a host without a scheme":        victim,
		"a host with slashes alone":      "//" + victim,
		"a host that begins so":          "https://" + victim + ".evil.example",
		"a host that begins so at once":  "https://" + victim + "evil.example",
		"a host that ends so":            "https://evil-" + victim,
		"a host that ends so at once":    "https://evil" + victim,
		"a host below it":                "https://x." + victim,
		"a user of that name":            "https://" + victim + "@evil.example",
		"a user and a port":              "https://" + victim + ":443@evil.example",
		"a path of that name":            "https://evil.example/" + victim,
		"a query of that name":           "https://evil.example?" + victim,
		"a fragment of that name":        "https://evil.example#@" + victim,
		"a backslash":                    "https://evil.example\\@" + victim,
		"an escape":                      "https://evil.example%2f@" + victim + ".evil.example",
		"a letter that looks like one":   "https://\u0430lice--desktops." + domain,
		"the same in punycode":           "https://xn--lice--desktops-2fk." + domain,
		"an underscore":                  "https://alice__desktops." + domain,
		"a dot less":                     "https://alice--desktops" + strings.ReplaceAll(domain, ".", "-"),
		"a dot more":                     "https://alice--desktops.." + domain,
		"two dots at the end":            "https://" + victim + "..",
		"an address":                     "https://127.0.0.1",
		"an IPv6 address":                "https://[::1]",
		"an empty host":                  "https://",
		"an empty host with a port":      "https://:443",
		"two of them, the foreign first": "https://evil.example, https://" + victim,
		"a space within":                 "https://evil.example " + victim,
		"rubbish":                        "https://%zz",
	} {
		field := "Origin: " + origin
		add(name+": WebSocket", upgrade("/websockify", field, cookie))
		add(name+": POST", post("/_vdi/wake", field, cookie))
		add(name+": GET", get("/app.js", victim, field, cookie))
	}
	// Browsers say so, and send no Origin with what is embedded.
	for _, site := range []string{"same-site", "cross-site"} {
		for _, dest := range []string{
			"image", "iframe", "frame", "script", "style", "empty", "object", "embed", "worker", "sharedworker", "serviceworker",
			"audio", "video", "track", "font", "manifest", "xslt", "report", "paintworklet", "webidentity", "fencedframe", "",
		} {
			fields := "Sec-Fetch-Site: " + site
			if dest != "" {
				fields += "\r\nSec-Fetch-Dest: " + dest
			}
			add(fmt.Sprintf("%s as %q", site, dest), get("/", victim, fields, cookie))
		}
		add(site+": an image that wakes", get("/_vdi/events", victim, "Sec-Fetch-Site: "+site, "Sec-Fetch-Dest: image", cookie))
		add(site+": a form", post("/_vdi/wake", "Sec-Fetch-Site: "+site, "Origin: null", cookie))
		add(site+": a form in a frame", post("/", "Sec-Fetch-Site: "+site, "Sec-Fetch-Dest: iframe", "Origin: https://"+other, cookie))
		add(site+": a preflight", request("OPTIONS /_vdi/wake HTTP/1.1", "Host: "+victim, "Connection: close", "Sec-Fetch-Site: "+site,
			"Origin: https://"+other,
			"Access-Control-Request-Method: POST"))
		add(site+": a WebSocket whose Origin was lost", upgrade("/websockify", "Sec-Fetch-Site: "+site, "Sec-Fetch-Mode: websocket", cookie))
	}
	return all
}
