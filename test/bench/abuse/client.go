package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"

	"github.com/gobwas/ws"

	"github.com/org/vdi-operator/activator/page"
)

const (
	// headerBytes and bufferedBytes are the limits of that name, by default.
	headerBytes   = 64 << 10
	bufferedBytes = 256 << 10
	// heldPerSession is more than a session may hold.
	heldPerSession = 20
	// askingSessions are those whose places are taken by plain requests, wrongSessions those
	// at which frames are wrong.
	askingSessions, wrongSessions = 8, 8
	// many take all places of connections without a request: they come late.
	many = 200
	// crowds is from how many addresses those come whose address matters: more than it may
	// open are of each, and many of its tokens are refused.
	crowds = 12
)

var (
	// A head that is nearly as long as it may be, and one that is longer.
	bigField  = "X-A: " + strings.Repeat("a", headerBytes-2048)
	longField = "X-A: " + strings.Repeat("a", 2*headerBytes)
	cookies   = "Cookie: " + strings.Repeat("vdi-session=eyJhbGciOiJFUzI1NiJ9.e30.aaaa; vdi-desktop.a=b; ", 120)
	h2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("\x00\x00\x00\x04\x00\x00\x00\x00\x00", 100)
)

// strangers have no token.
func (a *attackers) strangers() (gang []attacker) {
	known := http.Header{"Host": a.Sessions[0]["Host"]}
	valid := strings.TrimPrefix(a.Sessions[0].Get("Cookie"), "vdi-session=")
	says := func(text string) func(context.Context, net.Conn) {
		return func(_ context.Context, conn net.Conn) {
			if _, err := conn.Write([]byte(text)); err == nil {
				listen(conn)
			}
		}
	}
	forged := func(_ context.Context, conn net.Conn) {
		if _, err := conn.Write([]byte(head(http.MethodGet, "/", known, "Cookie: vdi-session="+forge(valid)) + "\r\n")); err == nil {
			listen(conn)
		}
	}
	add := func(n int, kind string, crowd bool, do func(context.Context, net.Conn)) {
		for i := range n {
			one := attacker{kind: kind, late: n >= many, do: do}
			if crowd {
				one.from = net.IPv4(127, 33, 0, byte(1+i%crowds))
			}
			gang = append(gang, one)
		}
	}
	// Together more than the replica lets wait for a first request, and than it lets an address.
	add(3200, "head of 62 KiB, unfinished", true, says(head(http.MethodGet, "/", known, bigField)))
	add(800, "head of 62 KiB, unfinished, anywhere", false, says(head(http.MethodGet, "/", known, bigField)))
	add(600, "connection that says nothing", false, says(""))
	add(400, "the same, from one address", true, says(""))
	add(200, "head that trickles", true, func(ctx context.Context, conn net.Conn) { drip(ctx, conn, "GET ") })
	add(16, "head too long", false, says(head(http.MethodGet, "/", known, longField)))
	add(100, "body that trickles", false, func(ctx context.Context, conn net.Conn) {
		if _, err := conn.Write([]byte(head(http.MethodPost, "/", known, "Content-Length: 999999") + "\r\n")); err == nil {
			drip(ctx, conn, "x")
		}
	})
	for i := range 32 {
		gang = append(gang, attacker{kind: "forged token", from: net.IPv4(127, 33, 1, byte(1+i%2)), do: forged})
	}
	add(32, "forged token, anywhere", false, forged)
	add(8, "forged link", false, func(_ context.Context, conn net.Conn) {
		if _, err := conn.Write([]byte(head(http.MethodGet, "/?vdi_token="+forge(valid), known) + "\r\n")); err == nil {
			listen(conn)
		}
	})
	add(16, "unknown host", false, func(_ context.Context, conn net.Conn) {
		host := http.Header{"Host": {fmt.Sprintf("x%d--bench.vdi.localhost", rand.Int())}}
		if _, err := conn.Write([]byte(head(http.MethodGet, "/", host) + "\r\n")); err == nil {
			listen(conn)
		}
	})
	add(16, "junk cookies", false, says(head(http.MethodGet, "/", known, cookies)+"\r\n"))
	add(16, "HTTP/2", false, says(h2Preface))
	add(16, "no HTTP", false, says(strings.Repeat("\x16\x03\x01\x02\x00", 200)))
	add(16, "pipelined requests", false, says(strings.Repeat(head(http.MethodGet, page.AssetsPath+"shell.js", known)+"\r\n", 200)))
	add(16, "upgrade without a token", true, says(upgrade(signalingPath, known)))
	return gang
}

// forge is a token with another signature.
func forge(valid string) string {
	signature := make([]byte, 64)
	for i := range signature {
		signature[i] = byte(rand.Uint32())
	}
	return valid[:strings.LastIndexByte(valid, '.')+1] + base64.RawURLEncoding.EncodeToString(signature)
}

// sleepers have tokens for sessions that are asleep.
func (a *attackers) sleepers() (gang []attacker) {
	for i, header := range a.Sessions {
		from := net.IPv4(127, 34, 0, byte(1+i))
		switch {
		case i < askingSessions:
			for range heldPerSession {
				gang = append(gang, attacker{kind: "request that hangs", from: from, do: func(_ context.Context, conn net.Conn) {
					if _, err := conn.Write([]byte(head(http.MethodGet, "/file", header, bigField) + "\r\n")); err == nil {
						listen(conn)
					}
				}})
				gang = append(gang, attacker{kind: "page's events nobody reads", from: from, do: func(ctx context.Context, conn net.Conn) {
					if _, err := conn.Write([]byte(head(http.MethodGet, page.EventsPath, header, "Sec-Fetch-Mode: cors") + "\r\n")); err == nil {
						cling(ctx)
					}
				}})
			}
		case i < askingSessions+wrongSessions:
			for n := range heldPerSession {
				gang = append(gang, attacker{kind: "wrong frames", from: from, do: wrong(n, header)})
			}
		default:
			for range heldPerSession {
				gang = append(gang, attacker{kind: "held, all it may send", from: from, do: func(_ context.Context, conn net.Conn) {
					if upgraded(conn, plainPath, header) && fill(conn) == nil {
						listen(conn)
					}
				}})
			}
		}
	}
	return gang
}

// fill sends as much as is kept of a held connection, in messages as long as they may be,
// and begins one more.
func fill(conn net.Conn) error {
	for sent := 0; sent+messageBytes <= bufferedBytes; sent += messageBytes {
		if _, err := conn.Write(frameOf(ws.OpBinary, true, true, messageBytes, filler)); err != nil {
			return err
		}
	}
	_, err := conn.Write(half(ws.OpBinary, true))
	return err
}

// wrongFrames break the protocol, each in its way.
var wrongFrames = [][]byte{
	frameOf(ws.OpText, true, false, 4, []byte("text")),                                                 // not masked
	frameOf(ws.OpCode(3), true, true, 4, []byte("text")),                                               // reserved opcode
	frameOf(ws.OpPing, false, true, 4, []byte("text")),                                                 // control in fragments
	frameOf(ws.OpPing, true, true, 200, filler[:200]),                                                  // long control
	frameOf(ws.OpContinuation, true, true, 4, []byte("text")),                                          // continues nothing
	append(frameOf(ws.OpText, false, true, 1, []byte("x")), frameOf(ws.OpText, true, true, 0, nil)...), // begins twice
	frameOf(ws.OpText, true, true, 4, []byte("\xff\xfe\xfd\xfc")),                                      // no UTF-8
	frameOf(ws.OpBinary, true, true, math.MaxInt64, filler),                                            // too long
	append(frameOf(ws.OpBinary, false, true, math.MaxInt64, nil), filler...),                           // fragments without end
	{0xf1, 0x80, 0, 0, 0, 0},                                                                           // reserved bits
	{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},                           // negative length
	frameOf(ws.OpClose, true, true, 1, []byte("x")),                                                    // half a code
}

// manyFrames are more than are kept of a held connection.
var manyFrames = strings.Repeat(string(frameOf(ws.OpText, true, true, 1, []byte("x"))), 1000)

func wrong(n int, header http.Header) func(context.Context, net.Conn) {
	sent := []byte(manyFrames)
	if n < len(wrongFrames) {
		sent = wrongFrames[n]
	}
	path := plainPath
	if n%2 == 0 {
		path = signalingPath
	}
	return func(_ context.Context, conn net.Conn) {
		if !upgraded(conn, path, header) {
			return
		}
		if _, err := conn.Write(sent); err == nil {
			listen(conn)
		}
	}
}
