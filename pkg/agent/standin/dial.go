package standin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 requires it; it protects nothing
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/gobwas/ws"
)

const (
	// eagerPause is the pause between attempts at a desktop that may listen any moment, and
	// patientPause the one after eagerFor. A refused one costs some 30 µs. Selkies 1.6.2 begins
	// to sleep 9 to 90 ms after it listens if no viewer has said HELLO by then.
	eagerPause, eagerFor = time.Millisecond, time.Minute
	patientPause         = 5 * time.Millisecond
	// connectWithin bounds an attempt on the loopback interface.
	connectWithin = time.Second
	// answerWithin is how long a desktop may take to answer the upgrade: one without a viewer
	// sleeps for seconds.
	answerWithin = 30 * time.Second
	// headBytes bounds the head of its answer.
	headBytes = 16 << 10
	// path is one that Selkies knows by itself and behind the nginx of its images (v1.6.2,
	// signalling_web.py:198; docker-nvidia-egl-desktop a27b66d, selkies-gstreamer-entrypoint.sh).
	path = "/webrtc/signalling/"
	// acceptGUID is what a key is answered with (RFC 6455, section 1.3).
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
)

// dial connects to the desktop within a millisecond of its listening, for the given attempt: what
// listens at the first port may be something else. An error is that ctx ended.
func (k *Keeper) dial(ctx context.Context, attempt int) (net.Conn, error) {
	k.dialing.Lock()
	defer k.dialing.Unlock()
	began, dialer := time.Now(), net.Dialer{Timeout: connectWithin}
	for {
		for i := range k.Ports {
			port := k.Ports[(attempt+i)%len(k.Ports)]
			conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort("localhost", strconv.Itoa(int(port))))
			if err == nil {
				return conn, nil
			}
		}
		pause := eagerPause
		if time.Since(began) > eagerFor {
			pause = patientPause
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// upgrade asks for a WebSocket and says HELLO in one go: who waits for the answer in between says
// it too late. It returns what came after the answer's head.
func upgrade(conn net.Conn, h hello) (after []byte, err error) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails: see crypto/rand
	key := base64.StdEncoding.EncodeToString(nonce[:])
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", path, conn.RemoteAddr(), key)
	_ = ws.WriteFrame(&b, ws.MaskFrame(ws.NewTextFrame([]byte(h.String())))) // a Buffer takes all
	_ = conn.SetWriteDeadline(time.Now().Add(answerWithin))
	if _, err := conn.Write(b.Bytes()); err != nil {
		return nil, err
	}
	_ = conn.SetWriteDeadline(time.Time{})
	late := time.AfterFunc(answerWithin, func() { _ = conn.Close() })
	defer late.Stop()
	from := bufio.NewReader(io.LimitReader(conn, headBytes))
	answer, err := http.ReadResponse(from, nil)
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close()
	sum := sha1.Sum([]byte(key + acceptGUID)) //nolint:gosec // as above
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]) {
		return nil, errors.New("the desktop answered " + answer.Status)
	}
	after, err = from.Peek(from.Buffered())
	return bytes.Clone(after), err
}
