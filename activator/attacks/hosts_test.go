package attacks

import (
	"strings"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/token"
)

// hosts are ways to be taken for a visitor of alice's host, or to come to it by another name.
func hosts(h *house) (all []attack) {
	bobs := "Cookie: __Host-vdi-session=" + h.Token(token.AudienceSession, h.bob, 0)
	for name, host := range map[string]string{
		"an unknown host":            "carol--desktops." + domain,
		"the domain":                 domain,
		"the domain's parent":        "example.com",
		"an address":                 "127.0.0.1",
		"an address with its port":   h.public,
		"an IPv6 address":            "[::1]",
		"an IPv6 address and a port": "[::1]:8080",
		"localhost":                  "localhost",
		"a star":                     "*." + domain,
		"a host below hers":          "x." + victim,
		"a host beside hers":         victim + ".evil.example",
		"a single hyphen":            "alice-desktops." + domain,
		"three hyphens":              "alice---desktops." + domain,
		"a hash of her namespace":    "alice---aaaaaaaaaaaaaaaaaaaa." + domain,
		"a hash without a name":      "---aaaaaaaaaaaaaaaaaaaa." + domain,
		"no name":                    "--desktops." + domain,
		"no namespace":               "alice--." + domain,
		"a name with her namespace":  "x--alice--desktops." + domain,
		"underscores":                "alice__desktops." + domain,
		"an underscore before":       "_" + victim,
		"two dots":                   "alice--desktops.." + domain,
		"two dots at the end":        victim + "..",
		"a dot before":               "." + victim,
		"escapes":                    "%61lice--desktops." + domain,
		"an escaped dot":             "alice--desktops%2e" + domain,
		"punycode of a look-alike":   "xn--lice--desktops-2fk." + domain,
		"a port after a port":        victim + ":443:443",
		"her host as a port":         "evil.example:" + victim,
		"a list":                     victim + "," + other,
		"a parameter":                victim + ";" + other,
		"the in-cluster name":        "alice.desktops.svc.cluster.local",
		"the activator's Service":    "vdi-activator-internal.vdi-system.svc.cluster.local:8081",
		"60 KB":                      strings.Repeat("a", 60000) + "." + domain,
		"60 KB of labels":            strings.Repeat("a.", 30000) + domain,
		"a label of 300":             strings.Repeat("a", 300) + "." + domain,
		"an empty one":               "",
		"a dot":                      ".",
		"a colon":                    ":",
		"a port alone":               ":443",
		"empty brackets":             "[]",
		"her host of another scheme": "https:" + victim,
	} {
		all = append(all, attack{name: name, who: neighbour, sent: get("/", host, bobs), want: "404", why: closing.UnknownHost})
	}
	// Hers, written otherwise: the visitor's token is for another session all the same.
	for name, host := range map[string]string{
		"capitals": strings.ToUpper(victim), "a dot at the end": victim + ".", "the port": victim + ":443", "another port": victim + ":8443",
		"a port that is none": victim + ":x", "an empty port": victim + ":", "brackets": "[" + victim + "]",
	} {
		all = append(all, attack{name: "her host with " + name, who: neighbour, sent: get("/", host, bobs), want: "403", why: closing.ForeignToken})
	}
	for name, fields := range map[string]string{
		"X-Forwarded-Host":   "X-Forwarded-Host: " + victim,
		"X-Host":             "X-Host: " + victim,
		"X-Original-Host":    "X-Original-Host: " + victim,
		"X-Forwarded-Server": "X-Forwarded-Server: " + victim,
		"Forwarded":          "Forwarded: host=" + victim,
		"X-Original-URL":     "X-Original-URL: https://" + victim + "/",
		"X-Rewrite-URL":      "X-Rewrite-URL: https://" + victim + "/",
		"a prefix":           "X-Forwarded-Prefix: /alice--desktops",
		":authority":         "X-Authority: " + victim,
	} {
		all = append(all,
			attack{name: "an unknown host with " + name, who: neighbour, sent: get("/", "carol--desktops."+domain, fields, bobs), want: "404",
				why: closing.UnknownHost},
			attack{name: "hers with bob's in " + name, who: neighbour, sent: get("/", victim, strings.ReplaceAll(fields, victim, other), bobs), want: "403",
				why: closing.ForeignToken})
	}
	for name, sent := range map[string]string{
		"no host":                         request("GET / HTTP/1.1", "Connection: close"),
		"two hosts":                       request("GET / HTTP/1.1", "Host: "+other, "Host: "+victim),
		"her host as a user":              request("GET / HTTP/1.1", "Host: "+victim+"@evil.example"),
		"two hosts that are the same":     request("GET / HTTP/1.1", "Host: "+victim, "Host: "+victim),
		"a host with a space":             request("GET / HTTP/1.1", "Host: "+other+" "+victim),
		"a host with a tab":               request("GET / HTTP/1.1", "Host: "+other+"\t"+victim),
		"a host with a slash":             request("GET / HTTP/1.1", "Host: "+victim+"/"),
		"a host with a backslash":         request("GET / HTTP/1.1", "Host: "+victim+"\\"),
		"a host with a question mark":     request("GET / HTTP/1.1", "Host: "+victim+"?"),
		"a host with a fragment":          request("GET / HTTP/1.1", "Host: "+victim+"#"),
		"a host with NUL":                 request("GET / HTTP/1.1", "Host: "+victim+"\x00"),
		"a host with a line's end":        request("GET / HTTP/1.1", "Host: "+other+"\r\n "+victim),
		"a host with a bare return":       request("GET / HTTP/1.1", "Host: "+other+"\r"+victim),
		"a host with a look-alike":        request("GET / HTTP/1.1", "Host: \u0430lice--desktops."+domain),
		"a host with wide letters":        request("GET / HTTP/1.1", "Host: \uff41lice--desktops."+domain),
		"a host with a quote":             request("GET / HTTP/1.1", "Host: \""+victim+"\""),
		"a host in angles":                request("GET / HTTP/1.1", "Host: <"+victim+">"),
		"a space before the colon":        request("GET / HTTP/1.1", "Host : "+victim),
		"a host before which there is HT": request("GET / HTTP/1.1", "\tHost: "+victim),
		"an address with a broken escape": request("GET http://%zz/ HTTP/1.1", "Host: "+victim),
		"an address with a space":         request("GET http://"+victim+" / HTTP/1.1", "Host: "+victim),
		"an address with a bad port":      request("GET http://"+victim+":x/ HTTP/1.1", "Host: "+victim),
	} {
		all = append(all, attack{name: name, who: stranger, sent: sent, want: "400", why: closing.MalformedHead})
	}
	// The address of the request's line wins over Host (RFC 9112, section 3.2.2), here and
	// where it is passed on.
	line := func(at string) string {
		return request("GET "+at+" HTTP/1.1", "Host: "+other, "Connection: close", bobs)
	}
	for name, at := range map[string]string{
		"an address that is hers": "https://" + victim + "/", "one over http": "http://" + victim + "/",
		"one in capitals": "HTTP://" + strings.ToUpper(victim) + "/",
		"one with a user": "http://" + other + "@" + victim + "/", "one with a port": "http://" + victim + ":8443/",
		"one of another scheme": "ftp://" + victim + "/",
		"one with wide letters": "http://%EF%BD%81lice--desktops." + domain + "/", "one without a path": "http://" + victim,
	} {
		all = append(all, attack{name: name, who: neighbour, sent: line(at), want: "403", why: closing.ForeignToken})
	}
	for name, at := range map[string]string{
		"an address that is nobody's": "https://carol--desktops." + domain + "/", "one with her as a user": "http://" + victim + "@evil.example/",
		"one with her in the path": "http://evil.example/" + victim, "a look-alike": "http://%D0%B0lice--desktops." + domain + "/",
		"a zone": "http://[fe80::1%25a%20b]/",
	} {
		all = append(all, attack{name: name, who: neighbour, sent: line(at), want: "404", why: closing.UnknownHost})
	}
	return all
}
