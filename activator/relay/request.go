// Package relay carries visitors' requests to a desktop that has been reached: plain
// HTTP, the upgrade of a WebSocket, and what then passes as bytes.
//
// It keeps nothing and decides nothing; where the desktop is, it is told.
package relay

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 names it; nothing is protected by it
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// acceptGUID is what a key is answered with (RFC 6455, section 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// Request is a visitor's upgrade as their desktop gets it. It is made when the
// visitor comes and kept instead of the visitor's own request, which is larger.
type Request struct {
	head     []byte
	accept   string
	protocol string
}

// NewRequest makes the desktop's upgrade request of a visitor's. scheme is what
// visitors use; subprotocol is what the visitor was told, and all that is offered.
func NewRequest(in *http.Request, scheme, subprotocol string) *Request {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails: see crypto/rand
	key := base64.StdEncoding.EncodeToString(nonce[:])
	header := headerForDesktop(in, scheme)
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", "websocket")
	header.Set("Sec-WebSocket-Version", "13")
	header.Set("Sec-WebSocket-Key", key)
	if subprotocol != "" {
		header.Set("Sec-WebSocket-Protocol", subprotocol)
	}
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", pathForDesktop(in.URL).RequestURI(), in.Host)
	_ = header.Write(&b)
	b.WriteString("\r\n")
	sum := sha1.Sum([]byte(key + acceptGUID)) //nolint:gosec // as above
	return &Request{
		// As long as it is: it may be kept for minutes.
		head:     append(make([]byte, 0, b.Len()), b.Bytes()...),
		accept:   base64.StdEncoding.EncodeToString(sum[:]),
		protocol: subprotocol,
	}
}

// Head is what is written to the desktop.
func (q *Request) Head() []byte { return q.head }

// Rejected is a desktop's refusal of the upgrade.
type Rejected struct{ Why string }

// Error implements error.
func (r *Rejected) Error() string { return "the desktop refused the connection: " + r.Why }

// ErrStarting says that a desktop accepts connections but cannot answer yet.
var ErrStarting = errors.New("the desktop is not ready to answer")

// Check reads the head of a desktop's answer: nil when it has upgraded, ErrStarting
// when it should be asked again, and *Rejected when it won't.
func (q *Request) Check(head []byte) error {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: http.MethodGet})
	if err != nil {
		return &Rejected{"its answer is no HTTP"}
	}
	_ = resp.Body.Close() // empty: only the head was given
	switch {
	case starting(resp.StatusCode):
		return fmt.Errorf("%w: %s", ErrStarting, resp.Status)
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return &Rejected{resp.Status}
	case !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") || resp.Header.Get("Sec-WebSocket-Accept") != q.accept:
		return &Rejected{"its answer is no WebSocket's"}
	case resp.Header.Get("Sec-WebSocket-Extensions") != "":
		return &Rejected{"it uses an extension that was not offered"}
	}
	if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != "" && got != q.protocol {
		return &Rejected{fmt.Sprintf("it speaks the subprotocol %q, but the client was told %q", got, q.protocol)}
	}
	return nil
}

func starting(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}
