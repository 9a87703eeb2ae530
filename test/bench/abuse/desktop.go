package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/gobwas/ws"
)

const (
	// A session takes 16 requests without an answer, 128 in all and 64 WebSockets: there are
	// more of each.
	unansweredPerDesktop, answeredPerDesktop, socketsPerDesktop = 30, 140, 80
	// plainPath is no protocol's own: what it says passes as bytes.
	plainPath = "/websockify"
	// query names the kind of an attack to the desktop.
	query = "abuse="
	// messageBytes is the longest message on a signaling socket, by default.
	messageBytes = 64 << 10
)

// evil is one thing that a hostile desktop does, and what its accomplice does meanwhile.
type evil struct {
	kind string
	path string
	// answer is the desktop's part, once it has read the request's head.
	answer func(ctx context.Context, conn net.Conn)
	// visit is the accomplice's part once the request was sent, or the WebSocket opened.
	visit func(ctx context.Context, conn net.Conn)
	// upload says that the request has a body without end, which visit sends; answered that
	// the desktop takes the visitor, who is held no longer. Few are held for a session.
	upload, answered bool
}

func (e evil) socket() bool { return e.path == signalingPath || e.path == plainPath }

// accept is the answer to an upgrade with the key that a desktop was asked by.
type acceptKey struct{}

var (
	okHead  = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	filler  = bytes.Repeat([]byte("a"), 64<<10)
	fields  = bytes.Repeat([]byte("a: b\r\nc: d\r\n"), 10<<20/12)
	early   = bytes.Repeat([]byte("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"), 1000)
	tiny    = bytes.Repeat(frameOf(ws.OpBinary, true, false, 1, []byte("x")), 10000)
	pings   = bytes.Repeat(frameOf(ws.OpPing, true, false, 4, []byte("ping")), 10000)
	mute    = func(ctx context.Context, _ net.Conn) { <-ctx.Done() }
	reads   = func(_ context.Context, conn net.Conn) { listen(conn) }
	ignores = func(ctx context.Context, _ net.Conn) { cling(ctx) }
)

func sends(first string, then []byte) func(context.Context, net.Conn) {
	return func(_ context.Context, conn net.Conn) {
		if _, err := conn.Write([]byte(first)); err == nil {
			flood(conn, then)
		}
	}
}

func drips(first, piece string) func(context.Context, net.Conn) {
	return func(ctx context.Context, conn net.Conn) {
		if _, err := conn.Write([]byte(first)); err == nil {
			drip(ctx, conn, piece)
		}
	}
}

// opens upgrades and does something then.
func opens(then func(context.Context, net.Conn)) func(context.Context, net.Conn) {
	return func(ctx context.Context, conn net.Conn) {
		asked, _ := ctx.Value(acceptKey{}).(string)
		sum := sha1.Sum([]byte(asked + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
			base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
		if _, err := conn.Write([]byte(answer)); err == nil {
			then(ctx, conn)
		}
	}
}

// half sends all of a message but its last byte.
func half(op ws.OpCode, masked bool) []byte {
	return frameOf(op, true, masked, messageBytes, filler[:messageBytes-1])
}

// endless begins a message of fragments that are as long as the protocol allows.
func endless(op ws.OpCode) string { return string(frameOf(op, false, false, math.MaxInt64, nil)) }

// evils are all that a hostile desktop does.
var evils = []evil{
	{kind: "head without end", path: "/a", answer: sends(okHead+"X: ", filler), visit: reads},
	{kind: "10 MiB of fields", path: "/b", answer: sends(okHead, fields), visit: reads},
	{kind: "head that trickles", path: "/c", answer: drips(okHead, "X: a\r\n"), visit: reads},
	{kind: "silence", path: "/d", answer: mute, visit: reads},
	{kind: "informational answers", path: "/e", answer: sends("", early), visit: reads},
	{kind: "body nobody reads", answered: true, path: "/f", answer: sends(okHead+"\r\n", filler), visit: ignores},
	{kind: "chunk's head without end", answered: true, path: "/g", answer: sends(okHead+"Transfer-Encoding: chunked\r\n\r\n1;", filler), visit: ignores},
	{kind: "body that trickles", answered: true, path: "/h", answer: drips(okHead+"Content-Length: 9999999999\r\n\r\n", "x"), visit: reads},
	{kind: "upload nobody reads", path: "/i", answer: mute, upload: true, visit: func(_ context.Context, conn net.Conn) { flood(conn, filler) }},
	{kind: "upload nobody reads, answered", path: "/l", answered: true, answer: sends(okHead+"\r\n", filler), upload: true,
		visit: func(_ context.Context, conn net.Conn) { flood(conn, filler) }},
	{kind: "no HTTP", path: "/j", answer: sends("", filler), visit: reads},
	{kind: "upgrade nobody asked for", path: "/k", answer: opens(func(_ context.Context, c net.Conn) { flood(c, filler) }), visit: reads},

	{kind: "upgrade refused at length", path: signalingPath, answer: sends("HTTP/1.1 403 Forbidden\r\n\r\n", filler), visit: reads},
	{kind: "upgrade's head without end", path: plainPath, answer: sends("HTTP/1.1 101 Switching Protocols\r\nX: ", filler), visit: reads},
	{kind: "upgrade broken", path: plainPath, answer: sends("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n", tiny), visit: reads},
	{kind: "upgrade unanswered", path: signalingPath, answer: mute, visit: reads},
	{kind: "upgraded and gone", path: signalingPath, answer: opens(func(context.Context, net.Conn) {}), visit: reads},
	{kind: "half messages", answered: true, path: signalingPath, answer: opens(halves), visit: func(_ context.Context, conn net.Conn) {
		if _, err := conn.Write(half(ws.OpText, true)); err == nil {
			listen(conn)
		}
	}},
	{kind: "half messages, again", answered: true, path: signalingPath, answer: opens(halves), visit: func(ctx context.Context, conn net.Conn) {
		if _, err := conn.Write(half(ws.OpText, true)); err == nil {
			cling(ctx)
		}
	}},
	{kind: "fragments without end", answered: true, path: signalingPath, answer: opens(sends(endless(ws.OpText), filler)), visit: reads},
	{kind: "fragments nobody reads", answered: true, path: plainPath, answer: opens(sends(endless(ws.OpBinary), filler)), visit: ignores},
	{kind: "frames nobody reads", answered: true, path: plainPath, answer: opens(sends("", tiny)), visit: ignores},
	{kind: "messages nobody reads", answered: true, path: signalingPath, answer: opens(sends("", tiny)), visit: ignores},
	{kind: "pings nobody reads", answered: true, path: plainPath, answer: opens(sends("", pings)), visit: ignores},
	{kind: "pings between fragments", answered: true, path: plainPath, answer: opens(sends(string(frameOf(ws.OpText, false, false, 1, []byte("x"))), pings)), visit: ignores},
}

func halves(_ context.Context, conn net.Conn) {
	if _, err := conn.Write(half(ws.OpText, false)); err == nil {
		listen(conn)
	}
}

// desktops listen at every hostile desktop's address until ctx ends.
func (a *attackers) desktops(ctx context.Context) error {
	by := map[string]evil{}
	for _, e := range evils {
		by[e.kind] = e
	}
	for i := range a.Sessions {
		l, err := net.Listen("tcp", net.JoinHostPort(desktopAddress(hostileNet, i).String(), fmt.Sprint(a.Port)))
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go desktop(ctx, conn, by)
			}
		}()
	}
	return nil
}

// desktop answers one request.
func desktop(ctx context.Context, conn net.Conn, by map[string]evil) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	r := textproto.NewReader(bufio.NewReaderSize(conn, 1024))
	line, err := r.ReadLine()
	if err != nil {
		return // it was only looked whether the port accepts
	}
	header, err := r.ReadMIMEHeader()
	if err != nil {
		return
	}
	_, rest, _ := strings.Cut(line, query)
	kind, _, _ := strings.Cut(rest, " ")
	e, ok := by[strings.ReplaceAll(kind, "+", " ")]
	if !ok {
		_, _ = conn.Write([]byte(okHead + "Content-Length: 0\r\n\r\n"))
		return
	}
	e.answer(context.WithValue(ctx, acceptKey{}, header.Get("Sec-WebSocket-Key")), conn)
}

// accomplices visit the hostile desktops.
func (a *attackers) accomplices() (gang []attacker) {
	var unanswered, answered, sockets []evil
	for _, e := range evils {
		switch {
		case e.socket():
			sockets = append(sockets, e)
		case e.answered:
			answered = append(answered, e)
		default:
			unanswered = append(unanswered, e)
		}
	}
	for i, header := range a.Sessions {
		from := net.IPv4(127, 32, 0, byte(i+1))
		for _, some := range []struct {
			count int
			of    []evil
		}{{unansweredPerDesktop, unanswered}, {answeredPerDesktop, answered}, {socketsPerDesktop, sockets}} {
			for n := range some.count {
				gang = append(gang, a.accomplice(some.of[(i+n)%len(some.of)], from, header))
			}
		}
	}
	return gang
}

func (a *attackers) accomplice(e evil, from net.IP, header http.Header) attacker {
	path := e.path + "?" + query + strings.ReplaceAll(e.kind, " ", "+")
	return attacker{kind: e.kind, from: from, late: !e.answered, do: func(ctx context.Context, conn net.Conn) {
		switch {
		case e.socket():
			if !upgraded(conn, path, header) {
				return
			}
			if e.path == signalingPath {
				said := hello + " 1"
				if _, err := conn.Write(frameOf(ws.OpText, true, true, int64(len(said)), []byte(said))); err != nil {
					return
				}
			}
		case e.upload:
			if _, err := conn.Write([]byte(head(http.MethodPost, path, header, "Content-Length: 99999999999") + "\r\n")); err != nil {
				return
			}
		default:
			if _, err := conn.Write([]byte(head(http.MethodGet, path, header) + "\r\n")); err != nil {
				return
			}
		}
		if e.answered && !e.socket() && !answered(conn, "200") {
			return // at once again
		}
		ctx, cancel := context.WithTimeout(ctx, 3*hangUp)
		defer cancel()
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer stop()
		e.visit(ctx, conn)
	}}
}
