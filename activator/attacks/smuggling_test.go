package attacks

import (
	"fmt"
	"strings"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/pkg/token"
)

// sentinelPath is what is asked for behind an attack on the same connection. It is answered,
// as the next one, by whoever agrees with the visitor on where the attack ends.
const sentinelPath = "/sentinel"

// framing is a way to disagree on where a request ends. The body is what is sent of one; %s in
// it is a whole request that somebody may be brought to believe in.
type framing struct {
	name, fields, body string
	// version is HTTP's, "1.1" where it is empty.
	version string
	// want is what a visitor of the session gets.
	want    string
	why     *closing.Refusal
	reaches int
}

// framings are tried with each method that may have a body, and some that need none.
func framings() []framing {
	malformed, one := closing.MalformedHead, "200"
	all := []framing{
		// What nobody can read in two ways passes, and is framed anew for the desktop. net/http drops
		// a length beside chunks: it ends the connection, so that nothing behind it is believed.
		{name: "CL.TE", fields: "Content-Length: 9999\r\nTransfer-Encoding: chunked", body: "0\r\n\r\n%s", want: one, reaches: 1},
		{name: "TE.CL", fields: "Transfer-Encoding: chunked\r\nContent-Length: 4", body: "5\r\nhello\r\n0\r\n\r\n%s", want: one, reaches: 1},
		{name: "CL 0 and TE", fields: "Content-Length: 0\r\nTransfer-Encoding: chunked", body: "0\r\n\r\n%s", want: one, reaches: 1},
		{name: "TE in capitals", fields: "Transfer-Encoding: CHUNKED\r\nContent-Length: 5", body: "0\r\n\r\n%s", want: one, reaches: 1},
		{name: "TE on a line of its own", fields: "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5", body: "0\r\n\r\n%s", want: one, reaches: 1},
		{name: "TE behind a tab", fields: "Transfer-Encoding:\tchunked\r\nContent-Length: 5", body: "0\r\n\r\n%s", want: one, reaches: 1},
		{name: "TE by HTTP/1.0", version: "1.0", fields: "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", body: "0\r\n\r\n%s",
			want: one, reaches: 1},
		{name: "TE alone by HTTP/1.0", version: "1.0", fields: "Connection: keep-alive\r\nTransfer-Encoding: chunked", body: "%s", want: one, reaches: 1},
		{name: "a length by HTTP/1.0 and a request behind", version: "1.0", fields: "Connection: keep-alive\r\nContent-Length: 5", body: "hello%s", want: one,
			reaches: 1},
		{name: "a request in a body", fields: "Content-Length: %d", body: "%s", want: "200 200", reaches: 1},
		{name: "a request in a chunk", fields: "Transfer-Encoding: chunked", body: "%x\r\n%s\r\n0\r\n\r\n", want: one, reaches: 1},
		{name: "the same length twice", fields: "Content-Length: 5\r\nContent-Length: 5", body: "hello", want: "200 200", reaches: 1},
		{name: "chunk extensions", fields: "Transfer-Encoding: chunked", body: "5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n%s", want: one, reaches: 1},
		{name: "trailers", fields: "Transfer-Encoding: chunked\r\nTrailer: X-T", body: "5\r\nhello\r\n0\r\nX-T: smuggled-trailer\r\n\r\n%s", want: one,
			reaches: 1},
		{name: "trailers that were not announced", fields: "Transfer-Encoding: chunked",
			body: "5\r\nhello\r\n0\r\nAuthorization: smuggled-trailer\r\nHost: evil.example\r\nContent-Length: 5\r\n\r\n%s", want: one, reaches: 1},
		{name: "a trailer with a space before the colon", fields: "Transfer-Encoding: chunked", body: "0\r\nX : smuggled-trailer\r\n\r\n%s", want: one,
			reaches: 1},
		{name: "an expectation", fields: "Expect: 100-continue\r\nContent-Length: 5", body: "hello", want: "200 200", reaches: 1},

		{name: "two lengths", fields: "Content-Length: 5\r\nContent-Length: 6"},
		{name: "two lengths, one with a space", fields: "Content-Length: 5\r\nContent-Length : 6"},
		{name: "two lengths in one", fields: "Content-Length: 5, 6"},
		{name: "the same length twice in one", fields: "Content-Length: 5, 5"},
		{name: "a length with a plus", fields: "Content-Length: +5"},
		{name: "a length with a minus", fields: "Content-Length: -5"},
		{name: "a length in hexadecimal", fields: "Content-Length: 0x5"},
		{name: "a length with an underscore", fields: "Content-Length: 1_0"},
		{name: "a length with a point", fields: "Content-Length: 5.0"},
		{name: "a length with an exponent", fields: "Content-Length: 5e0"},
		{name: "a length with letters behind", fields: "Content-Length: 5x"},
		{name: "a length with a space within", fields: "Content-Length: 1 0"},
		{name: "a length with a vertical tab", fields: "Content-Length: \v5"},
		{name: "a length with NUL", fields: "Content-Length: 5\x00"},
		{name: "a length in wide digits", fields: "Content-Length: \uff15"},
		{name: "a length of 2^63", fields: "Content-Length: 9223372036854775808"},
		{name: "a length of 2^64 + 5", fields: "Content-Length: 18446744073709551621"},
		{name: "an empty length", fields: "Content-Length: "},
		{name: "a length on two lines", fields: "Content-Length: 1\r\n 0"},
		{name: "no colon", fields: "Content-Length 5"},
		{name: "a space before the colon of TE", fields: "Transfer-Encoding : chunked"},
		{name: "a tab before the colon of TE", fields: "Transfer-Encoding\t: chunked"},
		{name: "a space before TE", fields: " Transfer-Encoding: chunked"},
		{name: "a field without a name", fields: ": chunked"},
		{name: "a return before TE", fields: "X: y\rTransfer-Encoding: chunked"},
		{name: "a return within TE", fields: "Transfer-Encoding: chunked\rX: y"},
		{name: "NUL in a name", fields: "Transfer-Enc\x00oding: chunked"},
		{name: "a name that is no ASCII", fields: "Transfer-Encod\u0131ng: chunked"},
		{name: "NUL in a value", fields: "X: a\x00b"},
		{name: "a name in quotes", fields: "\"Transfer-Encoding\": chunked"},
		{name: "a trailer of a length", fields: "Transfer-Encoding: chunked\r\nTrailer: Content-Length"},
		{name: "a trailer of TE", fields: "Transfer-Encoding: chunked\r\nTrailer: Transfer-Encoding"},
		{name: "a trailer of trailers", fields: "Transfer-Encoding: chunked\r\nTrailer: Trailer"},
		{name: "an expectation of magic", fields: "Expect: magic", want: "417"},
	}
	for name, coding := range map[string]string{
		"TE twice": "chunked\r\nTransfer-Encoding: chunked", "TE of identity besides": "identity\r\nTransfer-Encoding: chunked",
		"TE and identity in one": "chunked, identity", "TE twice in one": "chunked, chunked", "TE of gzip": "gzip, chunked",
		"TE of identity": "identity", "TE of nothing": "", "TE with a parameter": "chunked;q=1", "TE in quotes": "\"chunked\"", "TE with an x": "xchunked",
		"TE with a comma": ",chunked", "TE with a comma behind": "chunked,", "TE of nonsense": "magic", "TE with a dot": "chunked.",
		"TE in letters that look so": "c\u04bbunked",
	} {
		all = append(all, framing{name: name, fields: "Content-Length: 5\r\nTransfer-Encoding: " + coding, want: "501"})
	}
	for i := range all {
		f := &all[i]
		if f.reaches == 0 {
			f.why, f.body = malformed, "0\r\n\r\n%s"
			if f.want == "" {
				f.want = "400"
			}
		}
		if f.version == "" {
			f.version = "1.1"
		}
	}
	return all
}

// badChunks are bodies whose chunks cannot be read: the head was good, so that the desktop may
// have seen it, but no other one.
var badChunks = map[string]string{
	"a size of letters": "xyz\r\nhello\r\n0\r\n\r\n", "a size below 0": "-5\r\nhello\r\n0\r\n\r\n", "a size with a plus": "+5\r\nhello\r\n0\r\n\r\n",
	"a size in hexadecimal by name": "0x5\r\nhello\r\n0\r\n\r\n", "a size of 2^64 + 5": "10000000000000005\r\nhello\r\n0\r\n\r\n",
	"an empty size": "\r\nhello\r\n0\r\n\r\n", "a size with a space before": " 5\r\nhello\r\n0\r\n\r\n", "a chunk that is longer": "4\r\nhello\r\n0\r\n\r\n",
	"a chunk without its end":  "5\r\nhello0\r\n\r\n",
	"a size that ends with LF": "5\nhello\r\n0\r\n\r\n", "a size that ends with CR": "5\rhello\r\n0\r\n\r\n",
	"an extension with LF": "5;a\nb\r\nhello\r\n0\r\n\r\n", "an extension with CR": "5;a\rb\r\nhello\r\n0\r\n\r\n",
	"a chunk that ends with LF": "5\r\nhello\n0\r\n\r\n",
	"an extension without end":  "5;" + strings.Repeat("x", 8<<10) + "\r\nhello\r\n0\r\n\r\n", "a trailer without a colon": "0\r\nhello\r\n\r\n",
	"trailers without end": "0\r\n" + strings.Repeat("X: y\r\n", 40000) + "\r\n",
}

func smuggled(host, cookie string) (within, behind string) {
	return request("GET /smuggled HTTP/1.1", "Host: "+host, cookie), request("GET "+sentinelPath+" HTTP/1.1", "Host: "+host, "Connection: close", cookie)
}

func (f framing) sent(method, cookie, within, behind string) string {
	fields, body := f.fields, f.body
	switch {
	case strings.Contains(fields, "%d"):
		fields, body = fmt.Sprintf(fields, len(within)), within
	case strings.Contains(body, "%x"):
		body = fmt.Sprintf(body, len(within), within)
	case strings.Contains(body, "%s"):
		body = fmt.Sprintf(body, within)
	}
	return request(method+" /attack HTTP/"+f.version, "Host: "+victim, fields, cookie) + body + behind
}

// insidersSmuggling is a visitor's of the session, whose connection others may share: a proxy
// in front has one for all of its clients. Never does the desktop see more than one request
// of what the proxy took for one.
func insidersSmuggling(h *house) (all []attack) {
	cookie := h.cookie()
	within, behind := smuggled(victim, cookie)
	never := []string{"smuggled-trailer", "evil.example"}
	for _, f := range framings() {
		for _, method := range []string{"POST", "PUT", "GET", "DELETE"} {
			all = append(all, attack{name: f.name + ", " + method, who: insider, sent: f.sent(method, cookie, within, behind), want: f.want, why: f.why,
				reaches: f.reaches, never: never})
		}
	}
	for name, body := range badChunks {
		all = append(all, attack{name: name, who: insider, sent: request("POST /attack HTTP/1.1", "Host: "+victim, "Transfer-Encoding: chunked",
			cookie) + body + within + behind,
			want: "502", reaches: 1})
	}
	for name, tc := range map[string]struct {
		sent, want string
		why        *closing.Refusal
		reaches    int
	}{
		"a request behind an upgrade": {upgrade("/websockify", cookie) + within, "101 close 1002", closing.FrameMask, 1},
		"a request behind an upgrade to h2c": {request("GET /attack HTTP/1.1", "Host: "+victim, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
			"HTTP2-Settings: AAMAAABkAAQAAP__", cookie) + within + behind, "505", closing.H2CUpgrade, 0},
		"a request behind h2c and a WebSocket": {request("GET /attack HTTP/1.1", "Host: "+victim, "Connection: Upgrade", "Upgrade: websocket, h2c",
			cookie) + within + behind, "505", closing.H2CUpgrade, 0},
		"a request behind an upgrade by HTTP/1.0": {request("GET /attack HTTP/1.0", "Host: "+victim, upgrading, cookie) + within + behind, "505",
			closing.HTTP10Upgrade, 0},
		"a request behind an upgrade of version 8": {request("GET /attack HTTP/1.1", "Host: "+victim, strings.Replace(upgrading, "13", "8", 1),
			"Connection: close", cookie) + within, "426", closing.UpgradeVersion, 0},
		"a request behind an upgrade without a key": {request("GET /attack HTTP/1.1", "Host: "+victim, "Connection: Upgrade, close", "Upgrade: websocket",
			"Sec-WebSocket-Version: 13", cookie) + within, "400", closing.UpgradeKey, 0},
		"a request behind an upgrade that is posted": {request("POST /attack HTTP/1.1", "Host: "+victim, upgrading, "Connection: close", "Content-Length: 0",
			cookie) + within, "405", closing.UpgradeMethod, 0},
		"a request behind an upgrade to TCP": {request("GET /attack HTTP/1.1", "Host: "+victim, "Connection: Upgrade", "Upgrade: tcp", cookie) + behind,
			"200 200", nil, 1},
		"a length with an upgrade": {upgrade("/websockify", cookie, fmt.Sprint("Content-Length: ", len(within))) + within,
			"101 close 1002", closing.FrameMask, 1},
		"chunks with an upgrade": {upgrade("/websockify", cookie, "Transfer-Encoding: chunked") + within, "101 close 1002",
			closing.FrameMask, 1},
		"HTTP/2":                                 {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + within, "505", closing.HTTP2, 0},
		"a request by HTTP/2 in words":           {request("GET /attack HTTP/2.0", "Host: "+victim, cookie) + within, "505", closing.MalformedHead, 0},
		"HTTP/0.9":                               {"GET /attack\r\n" + within, "400", closing.MalformedHead, 0},
		"HTTP/1.2":                               {request("GET /attack HTTP/1.2", "Host: "+victim, "Connection: close", cookie), "200", nil, 1},
		"HTTP/3":                                 {request("GET /attack HTTP/3.0", "Host: "+victim, cookie) + within, "505", closing.MalformedHead, 0},
		"HTTP/1.01":                              {request("GET /attack HTTP/1.01", "Host: "+victim, cookie) + within, "400", closing.MalformedHead, 0},
		"http in small":                          {request("GET /attack http/1.1", "Host: "+victim, cookie) + within, "400", closing.MalformedHead, 0},
		"a line before the request":              {"\r\n" + request("GET /attack HTTP/1.1", "Host: "+victim, cookie), "400", closing.MalformedHead, 0},
		"a request without its version's number": {request("GET /attack HTTP/", "Host: "+victim, cookie) + within, "400", closing.MalformedHead, 0},
		"a Connection that names Host": {request("GET /attack HTTP/1.1", "Host: "+victim,
			"Connection: close, Host, Content-Length, X-Forwarded-For", cookie), "200", nil, 1},
		"a Connection that names the cookie": {request("GET /attack HTTP/1.1", "Host: "+victim, "Connection: close, Cookie", cookie), "200", nil, 1},
		"TE": {request("GET /attack HTTP/1.1", "Host: "+victim, "Connection: close, TE", "TE: trailers, chunked",
			cookie), "200", nil, 1},
		"Keep-Alive and Proxy-Connection": {request("GET /attack HTTP/1.1", "Host: "+victim, "Connection: close", "Proxy-Connection: keep-alive",
			"Keep-Alive: timeout=99", cookie), "200", nil, 1},
		"lines that end with LF": {strings.ReplaceAll(request("GET /attack HTTP/1.1", "Host: "+victim, "Connection: close", cookie), "\r\n",
			"\n"), "200", nil, 1},
		"a field's line that is folded": {request("GET /attack HTTP/1.1", "Host: "+victim, "Connection: close", "X: a\r\n Content-Length: 5",
			cookie), "200", nil, 1},
	} {
		all = append(all, attack{name: name, who: insider, sent: tc.sent, want: tc.want, why: tc.why, reaches: tc.reaches,
			early: strings.HasPrefix(tc.want, "101"), never: []string{"GET /smuggled", "Proxy-Connection", "Keep-Alive: timeout", "\r\nTe:"}})
	}
	return all
}

// strangersSmuggling hides requests with a good token's look behind one that is refused.
func strangersSmuggling(h *house) (all []attack) {
	bobs := "Cookie: __Host-vdi-session=" + h.Token(token.AudienceSession, h.bob, 0)
	within, behind := smuggled(victim, bobs)
	for _, f := range framings() {
		if f.reaches == 0 {
			continue // by these nobody is told from another
		}
		sent := f.sent("POST", bobs, within, behind)
		all = append(all, attack{name: f.name, who: neighbour, sent: sent, want: "403", why: closing.ForeignToken},
			attack{name: f.name + " at an unknown host", who: neighbour, sent: strings.Replace(sent, victim, "carol--desktops."+domain, 1), want: "404",
				why: closing.UnknownHost},
			attack{name: f.name + " at an asset", who: neighbour, sent: strings.Replace(sent, "/attack", "/_vdi/assets/shell.js", 1), want: "200"})
	}
	return all
}
