package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gobwas/ws"
)

const (
	// niceness leaves the processor to those whose latency is measured; what the attackers
	// make the replica do is not spared.
	niceness = "10"
	// hangUp is how long an attacker clings to a connection of which it reads nothing.
	hangUp = 20 * time.Second
	// trickle is the pause between the bytes of what must never end.
	trickle = 500 * time.Millisecond
	// endWithin is how long attackers may take to end.
	endWithin = 10 * time.Second
)

// order tells a process of attackers what to do; it is its stdin. What comes back is the
// number of attempts by kind.
type order struct {
	Kind string
	// Address is the replica's.
	Address string
	Lasts   time.Duration
	// Sessions are the headers of visits with a token.
	Sessions []http.Header
	// Port is where a hostile desktop listens.
	Port int32
}

// attack lets a process of attackers carry out the order.
func attack(ctx context.Context, o order) (attempts map[string]int64, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	in, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Lasts+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nice", "-n", niceness, self, attackersCommand)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = endWithin
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("attackers: %w: %s", err, errs.String())
	}
	return attempts, json.Unmarshal(out.Bytes(), &attempts)
}

// beAttackers carries out the order.
func beAttackers(ctx context.Context, in io.Reader, out io.Writer) error {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.Lasts)
	defer cancel()
	a := &attackers{order: o}
	var gang []attacker
	if o.Kind == phaseDesktop {
		if err := a.desktops(ctx); err != nil {
			return err
		}
		gang = a.accomplices()
	} else {
		gang = append(a.strangers(), a.sleepers()...)
	}
	attempts := map[string]*atomic.Int64{}
	for _, one := range gang {
		if attempts[one.kind] == nil {
			attempts[one.kind] = &atomic.Int64{}
		}
	}
	var all sync.WaitGroup
	for _, one := range gang {
		all.Go(func() {
			if one.late {
				_ = pause(ctx, o.Lasts/3)
			}
			for ctx.Err() == nil {
				attempts[one.kind].Add(1)
				if !a.once(ctx, one) {
					_ = pause(ctx, 50*time.Millisecond) // this machine has no port left, or the port no room
				}
			}
		})
	}
	all.Wait()
	made := map[string]int64{}
	for kind, n := range attempts {
		made[kind] = n.Load()
	}
	return json.NewEncoder(out).Encode(made)
}

type attackers struct{ order }

// attacker does one thing again and again, as soon as it was refused.
type attacker struct {
	kind string
	// from is where it comes from; nil is anywhere.
	from net.IP
	// late is one who comes when a third of the time is over: it takes places without
	// which others do not get in.
	late bool
	do   func(context.Context, net.Conn)
}

// once is false when it was not even let in.
func (a *attackers) once(ctx context.Context, one attacker) bool {
	from := one.from
	if from == nil {
		from = anywhere()
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	conn, err := dialer.DialContext(ctx, "tcp", a.Address)
	if err != nil {
		return false
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	// Thousands close at once: none waits for what was sent.
	_ = conn.(*net.TCPConn).SetLinger(0)
	one.do(ctx, conn)
	return true
}

// anywhere is one of four million addresses of this machine's own.
func anywhere() net.IP {
	return net.IPv4(127, byte(64+rand.IntN(64)), byte(rand.IntN(256)), byte(1+rand.IntN(254)))
}

// listen reads until the other side ends.
func listen(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// cling keeps a connection and reads nothing of it.
func cling(ctx context.Context) { _ = pause(ctx, hangUp) }

// drip sends a piece now and then, until the other side ends.
func drip(ctx context.Context, conn net.Conn, piece string) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		listen(conn)
	}()
	for {
		if _, err := conn.Write([]byte(piece)); err != nil {
			break
		}
		select {
		case <-ended:
			return
		case <-time.After(trickle):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	_ = conn.Close()
	<-ended
}

// flood sends the same again and again, until nobody takes it.
func flood(conn net.Conn, piece []byte) {
	for {
		_ = conn.SetWriteDeadline(time.Now().Add(hangUp))
		if _, err := conn.Write(piece); err != nil {
			return
		}
	}
}

// head is the beginning of a request's head, without the empty line.
func head(method, path string, header http.Header, fields ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, path)
	for name, values := range header {
		for _, value := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	for _, field := range fields {
		b.WriteString(field + "\r\n")
	}
	return b.String()
}

const key = "dGhlIHNhbXBsZSBub25jZQ=="

func upgrade(path string, header http.Header) string {
	return head(http.MethodGet, path, header, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+key) + "\r\n"
}

// upgraded asks for a WebSocket; false when it was refused.
func upgraded(conn net.Conn, path string, header http.Header) bool {
	_, err := conn.Write([]byte(upgrade(path, header)))
	return err == nil && answered(conn, "101")
}

// answered reads the head of an answer; false when it has another status.
func answered(conn net.Conn, status string) bool {
	// Byte by byte: what follows may be frames.
	var got []byte
	for one := make([]byte, 1); !bytes.HasSuffix(got, []byte("\r\n\r\n")); {
		if _, err := conn.Read(one); err != nil || len(got) > 4096 {
			return false
		}
		got = append(got, one[0])
	}
	return bytes.HasPrefix(got, []byte("HTTP/1.1 "+status))
}

// frameOf is a frame of that announced length, with what is there of its payload.
func frameOf(op ws.OpCode, fin, masked bool, length int64, payload []byte) []byte {
	var b bytes.Buffer
	// A mask of zeros leaves the payload as it is.
	_ = ws.WriteHeader(&b, ws.Header{Fin: fin, OpCode: op, Masked: masked, Length: length})
	return append(b.Bytes(), payload...)
}
