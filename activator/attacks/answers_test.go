package attacks

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/org/vdi-operator/activator/closing"
)

// answers are what a desktop says to harm its visitor, the host, or who is in front of both.
func answers(h *house) (all []attack) {
	cookie := h.cookie()
	asked := 0
	add := func(name, says, want string, why *closing.Refusal, never ...string) *attack {
		asked++
		all = append(all, attack{name: name, who: shell, sent: get(fmt.Sprint("/file", asked), victim, cookie), says: says, want: want, why: why, reaches: 1,
			never: never})
		return &all[len(all)-1]
	}
	// Fields that would outlive the answer, or be obeyed on the way.
	for _, field := range []string{
		"Clear-Site-Data: \"*\"", "clear-site-data: \"cookies\"", "Alt-Svc: h3=\"evil.example:443\"; ma=99999999", "Alt-Svc: clear",
		"NEL: {\"report_to\":\"x\"}", "Report-To: {\"group\":\"x\"}",
		"Strict-Transport-Security: max-age=63072000; includeSubDomains", "Public-Key-Pins: max-age=9", "Expect-CT: max-age=9", "X-Accel-Redirect: /etc/passwd",
		"x-ACCEL-redirect: /x", "X-Accel-Buffering: yes", "X-Accel-Expires: 9", "X-Accel-Later: 1",
		"X-Sendfile: /etc/passwd", "X-Lighttpd-Send-File: /etc/passwd", "X-LiteSpeed-Location: /x", "X-Reproxy-URL: http://169.254.169.254/",
		"X-Reproxy-File: /etc/passwd", "Surrogate-Control: max-age=9", "Surrogate-Key: x", "X-Proxy-Cache-Control: max-age=9", "CDN-Cache-Control: max-age=9",
		"X-Envoy-Immediate-Health-Check-Fail: true", "x-envoy-degraded: true", "X-Envoy-Overloaded: true", "X-LiteSpeed-Purge: *",
		"X-LiteSpeed-Cache-Control: public", "X-Sendfile2: /etc/passwd 0-", "X-Sendfile-Temporary: /x", "X-LIGHTTPD-send-tempfile: /etc/passwd",
		"Cloudflare-CDN-Cache-Control: max-age=9", "Netlify-CDN-Cache-Control: max-age=9", "Vercel-CDN-Cache-Control: max-age=9",
		"Akamai-Cache-Control: max-age=9", "Edge-Control: cache-maxage=9d", "Edge-Cache-Tag: x", "Cache-Tag: x",
		"Secure-Session-Registration: (ES256);path=\"/x\"", "Sec-Session-Registration: (ES256);path=\"/x\"",
		"Proxy-Authenticate: Basic", "Proxy-Authentication-Info: x", "Proxy-Status: x", "Service-Worker-Allowed: /", "Keep-Alive: timeout=9999",
		"Proxy-Connection: keep-alive", "Upgrade: h2c", "Connection: Set-Cookie\r\nSet-Cookie: __Host-vdi-session=evil",
		"Set-Cookie: __Host-vdi-session=evil; Path=/; Secure", "Set-Cookie: __host-VDI-session=evil", "Set-Cookie:  __Host-vdi-session =evil",
		"Set-Cookie: __Host-vdi-session\t=evil", "Set-Cookie: __Host-vdi-session", "Set-Cookie: =__Host-vdi-session=evil",
		"Set-Cookie: vdi-session=evil; Domain=" + domain, "Set-Cookie: __Secure-vdi-session=evil; Secure", "Set-Cookie: vdi-desktop.a=evil",
		"Set-Cookie: VDI-DESKTOP.__Host-vdi-session=evil", "Set-Cookie: ;__Host-vdi-session=evil", "Set-Cookie: a=1; Path=/\r\nSet-Cookie: vdi-session=evil",
		"sEt-cOOkie: vdi-session=; Max-Age=0",
	} {
		name, value, _ := strings.Cut(field, ":")
		never := []string{"\r\n" + http.CanonicalHeaderKey(name) + ": " + strings.TrimSpace(value), "=evil", "vdi-session=;", "Domain="}
		add(field, "HTTP/1.1 200 OK\r\n"+field+"\r\nContent-Length: 2\r\n\r\nok", "200", nil, never...).always = []string{"\r\n\r\nok"}
	}
	for _, set := range []string{"a=1; Domain=" + domain, "a=1; domain=.example.com; HttpOnly", "a=1;Domain\t=example.com", "a=1; DOMAIN=" + other + "; Path=/",
		"__Host-a=1; Domain=" + domain + "; Secure; Path=/", "a=1; Path=/; Domain=example.com; Domain="} {
		add("a cookie for others: "+set, "HTTP/1.1 200 OK\r\nSet-Cookie: "+set+"\r\nContent-Length: 2\r\n\r\nok", "200", nil, "omain",
			"OMAIN").always = []string{"vdi-desktop."}
	}
	// Answers within answers, and what comes before or behind one.
	const trap = "X-Accel-Redirect: /trap\r\nSet-Cookie: vdi-session=trap\r\n"
	for name, says := range map[string]string{
		"trailers":                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Accel-Redirect, Set-Cookie\r\n\r\n2\r\nok\r\n0\r\n" + trap + "\r\n",
		"trailers that were not announced": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n" + trap + "\r\n",
		"early hints":                      "HTTP/1.1 103 Early Hints\r\n" + trap + "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"a 102":                            "HTTP/1.1 102 Processing\r\n" + trap + "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"a 100 that nobody expects":        "HTTP/1.1 100 Continue\r\n" + trap + "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"a 199":                            "HTTP/1.1 199 X\r\n" + trap + "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"a second answer":                  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n" + trap + "Content-Length: 4\r\n\r\ntrap",
		"a length and chunks":              "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n" + trap + "\r\n",
		"the same length twice":            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok" + trap,
		"a body behind 204":                "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n" + trap + "\r\n",
		"a body behind 304":                "HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\n" + trap + "\r\n",
		"a redirection to elsewhere":       "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 2\r\n\r\nok" + trap,
		"a field with a space in its name": "HTTP/1.1 200 OK\r\nX trap: y\r\nContent-Length: 2\r\n\r\nok",
		"a reason that is a field":         "HTTP/1.1 200 OK\rX-Accel-Redirect: /trap\r\nContent-Length: 2\r\n\r\nok",
	} {
		want := "200"
		switch {
		case strings.Contains(name, "204"):
			want = "204"
		case strings.Contains(name, "304"):
			want = "304"
		case strings.Contains(name, "redirection"):
			want = "302"
		}
		add(name, says, want, nil, "trap")
	}
	// What is no answer, or none to this.
	for name, says := range map[string]string{
		"another protocol, unasked":             "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\ntrap",
		"another protocol without a name":       "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrap",
		"another protocol with an empty name":   "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: \r\n\r\ntrap",
		"another protocol without a Connection": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\ntrap",
		"another protocol without anything":     "HTTP/1.1 101 Switching Protocols\r\n\r\ntrap",
		"h2c":                                   "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\ntrap",
		"the status 000":                        "HTTP/1.1 000 x\r\nContent-Length: 4\r\n\r\ntrap",
		"the status 99":                         "HTTP/1.1 099 x\r\nContent-Length: 4\r\n\r\ntrap",
		"the status 20":                         "HTTP/1.1 20 x\r\nContent-Length: 4\r\n\r\ntrap",
		"the status 2000":                       "HTTP/1.1 2000 x\r\nContent-Length: 4\r\n\r\ntrap",
		"the status -200":                       "HTTP/1.1 -200 x\r\nContent-Length: 4\r\n\r\ntrap",
		"a status of letters":                   "HTTP/1.1 abc x\r\nContent-Length: 4\r\n\r\ntrap",
		"no status":                             "HTTP/1.1\r\nContent-Length: 4\r\n\r\ntrap",
		"another version":                       "HTTP/x.1 200 OK\r\nContent-Length: 4\r\n\r\ntrap",
		"no HTTP":                               "SSH-2.0-OpenSSH\r\n",
		"HTTP/0.9":                              "<html>trap</html>\r\n",
		"nothing":                               "",
		"a line alone":                          "HTTP/1.1 200 OK\r\n",
		"two lengths":                           "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ntrap",
		"a length below 0":                      "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\ntrap",
		"a length with a plus":                  "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\ntrap",
		"a length of 2^64":                      "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\ntrap",
		"a coding of nonsense":                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: magic\r\n\r\ntrap",
		"two codings":                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntrap\r\n0\r\n\r\n",
		"a field without a colon":               "HTTP/1.1 200 OK\r\ntrap\r\n\r\n",
	} {
		a := add(name, says, "502", nil, "trap")
		if says == "" {
			a.says, a.try = "", func(t *testing.T, h *house) (string, string) {
				h.desktop.answers(func(net.Conn, *http.Request) {})
				defer h.desktop.answers(nil)
				return h.send(t, h.public, a.sent)
			}
		}
	}
	// Heads without end.
	for name, tc := range map[string]struct {
		begin, again string
		why          *closing.Refusal
	}{
		"a head without end":         {"HTTP/1.1 200 OK\r\n", "abcd: efgh\r\n", closing.DesktopHeaderBytes},
		"a field without end":        {"HTTP/1.1 200 OK\r\nA: ", "aaaaaaaaaaaa", closing.DesktopHeaderBytes},
		"a name without end":         {"HTTP/1.1 200 OK\r\n", "aaaaaaaaaaaa", closing.DesktopHeaderBytes},
		"a status line without end":  {"HTTP/1.1 200 ", "aaaaaaaaaaaa", closing.DesktopHeaderBytes},
		"a field folded without end": {"HTTP/1.1 200 OK\r\nA: b\r\n", " b\r\n", closing.DesktopHeaderBytes},
		"hints without end":          {"", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", closing.DesktopHeaderBytes},
		"cookies without end":        {"HTTP/1.1 200 OK\r\n", "Set-Cookie: a=b\r\n", closing.DesktopHeaderBytes},
		"continuations without end":  {"", "HTTP/1.1 100 Continue\r\n\r\n", closing.DesktopHeaderBytes},
	} {
		a := add(name, tc.begin+tc.again, "502", tc.why)
		a.try = func(t *testing.T, h *house) (string, string) {
			h.desktop.answers(func(c net.Conn, _ *http.Request) {
				more := bytes.Repeat([]byte(tc.again), 1000)
				_, err := io.WriteString(c, tc.begin)
				for sent := 0; err == nil && sent < 10<<20; sent += len(more) {
					_, err = c.Write(more)
				}
			})
			defer h.desktop.answers(nil)
			return h.send(t, h.public, a.sent)
		}
	}
	add("201 fields", "HTTP/1.1 200 OK\r\n"+strings.Repeat("abcd: x\r\n", 201)+"Content-Length: 0\r\n\r\n", "502", closing.DesktopHeaderFields)
	add("201 cookies", "HTTP/1.1 200 OK\r\n"+strings.Repeat("Set-Cookie: a=b\r\n", 201)+"Content-Length: 0\r\n\r\n", "502", closing.DesktopHeaderFields)
	// Bodies are the browser's business, and end where they end.
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	add("a gzip bomb", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", bomb.Len(), &bomb), "200",
		nil).always = []string{"Content-Encoding: gzip", bomb.String()}
	add("a bomb in a bomb", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip, br\r\nContent-Length: %d\r\n\r\n%s", bomb.Len(), &bomb), "200",
		nil).always = []string{bomb.String()}
	add("less than its length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "200 cut off", nil)
	add("chunks that break off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "200 cut off", nil)
	add("chunks that cannot be read", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxyz\r\n", "200 cut off", nil)
	all = append(all, h.upgradesAnswers(cookie)...)
	return all
}

// silences are answers that never come, or not to their end.
func silences(h *house) (all []attack) {
	cookie := h.cookie()
	silent := func(begin string) func(t *testing.T, h *house) (string, string) {
		at := fmt.Sprint("/silent", len(begin))
		return func(t *testing.T, h *house) (string, string) {
			h.desktop.answers(func(c net.Conn, _ *http.Request) {
				_, _ = io.WriteString(c, begin)
				_, _ = c.Read(make([]byte, 1)) // until it is given up
			})
			defer h.desktop.answers(nil)
			return h.send(t, h.public, get(at, victim, cookie))
		}
	}
	for name, begin := range map[string]string{"never answering": "", "half a line": "HTTP/1.1 2", "half a head": "HTTP/1.1 200 OK\r\nA: ",
		"a hint and nothing": "HTTP/1.1 103 Early Hints\r\n\r\n"} {
		all = append(all, attack{name: name, who: shell, try: silent(begin), want: "503", why: closing.HoldTimeout, reaches: 1})
	}
	return all
}

// upgradesAnswers are what a desktop says to a WebSocket's request.
func (h *house) upgradesAnswers(cookie string) (all []attack) {
	const good = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	n := 0
	for name, tc := range map[string]struct {
		says string
		why  *closing.Refusal
	}{
		"no key":                          {good + "\r\n", closing.DesktopRejected},
		"a wrong key":                     {good + "Sec-WebSocket-Accept: x\r\n\r\n", closing.DesktopRejected},
		"an old key":                      {good + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", closing.DesktopRejected},
		"another protocol":                {strings.Replace(good, "websocket", "h2c", 1) + "\r\n", closing.DesktopRejected},
		"no protocol":                     {"HTTP/1.1 101 Switching Protocols\r\n\r\n", closing.DesktopRejected},
		"a page":                          {"HTTP/1.1 200 OK\r\nSet-Cookie: vdi-session=trap\r\nContent-Length: 4\r\n\r\ntrap", closing.DesktopRejected},
		"a redirection":                   {"HTTP/1.1 302 Found\r\nLocation: https://evil.example/trap\r\n\r\n", closing.DesktopRejected},
		"a hint":                          {"HTTP/1.1 103 Early Hints\r\nLink: <trap>\r\n\r\n", closing.DesktopRejected},
		"a status of 0":                   {"HTTP/1.1 000 trap\r\n\r\n", closing.DesktopRejected},
		"no HTTP":                         {"SSH-2.0-trap\r\n\r\n", closing.DesktopRejected},
		"a reason of 40 KiB":              {"HTTP/1.1 200 " + strings.Repeat("trap", 10<<10) + "\r\n\r\n", closing.DesktopHeaderBytes},
		"201 fields":                      {good + strings.Repeat("abcd: x\r\n", 201) + "\r\n", closing.DesktopHeaderFields},
		"a field of 64 KiB":               {good + "A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", closing.DesktopHeaderBytes},
		"a subprotocol that nobody asked": {good + "Sec-WebSocket-Protocol: trap\r\n\r\n", closing.DesktopRejected},
		"an extension that nobody asked":  {good + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", closing.DesktopRejected},
		"cookies": {"HTTP/1.1 401 Unauthorized\r\nSet-Cookie: vdi-session=trap\r\nWWW-Authenticate: Basic realm=x\r\n\r\n",
			closing.DesktopRejected},
	} {
		n++
		all = append(all, attack{name: "a WebSocket is answered with " + name, who: shell, sent: upgrade(fmt.Sprint("/websockify", n), cookie),
			says: tc.says, want: "101 close 1011", why: tc.why, reaches: 1, never: []string{"=trap", "evil.example"}})
	}
	return all
}
