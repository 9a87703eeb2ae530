// Package relay carries visitors' requests to a desktop that has been reached: plain
// HTTP, the upgrade of a WebSocket, and what then passes as bytes.
//
// It keeps nothing and decides nothing; its caller knows where the desktop is.
package relay

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 requires it; it protects nothing
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/route"
)

// acceptGUID is what a key is answered with (RFC 6455, section 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// Request is a visitor's upgrade as their desktop gets it. It is made when the
// visitor comes and kept instead of the visitor's own request, which is larger.
type Request struct {
	// Head is what is written to the desktop.
	Head   []byte
	accept string
	// Subprotocols are the visitor's; nil where they offer none.
	Subprotocols *Subprotocols
	rules        *Rules
}

// NewRequest makes the desktop's upgrade request of a visitor's. face is how
// visitors see the session; subprotocols are the visitor's, who may be promised one later.
func NewRequest(in *http.Request, face route.Face, rules *Rules, subprotocols *Subprotocols) *Request {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails: see crypto/rand
	key := base64.StdEncoding.EncodeToString(nonce[:])
	header := headerForDesktop(in, face, rules.Filter)
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", "websocket")
	header.Set("Sec-WebSocket-Version", "13")
	header.Set("Sec-WebSocket-Key", key)
	if subprotocols != nil {
		header.Set("Sec-WebSocket-Protocol", subprotocols.offered)
	}
	sum := sha1.Sum([]byte(key + acceptGUID)) //nolint:gosec // as above
	return &Request{
		Head:         get(in, header),
		accept:       base64.StdEncoding.EncodeToString(sum[:]),
		Subprotocols: subprotocols,
		rules:        rules,
	}
}

// get is a request for the visitor's address, as long as it is: an upgrade may be
// kept for minutes.
func get(in *http.Request, header http.Header) []byte {
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", pathForDesktop(in.URL).RequestURI(), in.Host)
	_ = header.Write(&b)
	b.WriteString("\r\n")
	return append(make([]byte, 0, b.Len()), b.Bytes()...)
}

// Size is what is kept of it, in bytes.
func (q *Request) Size() int {
	n := len(q.Head)
	if q.Subprotocols != nil {
		n += len(q.Subprotocols.offered)
	}
	return n
}

// AnswerBytes bounds the head of its answer.
func (q *Request) AnswerBytes() int { return q.rules.HeadBytes }

// Rejected is a desktop's refusal of the upgrade.
type Rejected struct {
	Why string
	// Status is the answer's, and 0 where that is no HTTP.
	Status int
	// Challenge is what it asks of a visitor who is to sign in.
	Challenge []string
}

// Challenge is what an answer asks of the visitor, who is to sign in.
func Challenge(answer *http.Response) []string {
	if answer.StatusCode != http.StatusUnauthorized {
		return nil
	}
	return answer.Header.Values("WWW-Authenticate")
}

// Ending is what the refusal means for the visitor's connection.
func (r *Rejected) Ending() *closing.Ending { return closing.DesktopRejected.Ending(r.Why) }

// Error implements error.
func (r *Rejected) Error() string { return r.Ending().Reason }

// ErrStarting says that a desktop accepts connections but cannot answer yet.
var ErrStarting = errors.New("the desktop is not ready to answer")

// Check reads the head of a desktop's answer: the subprotocol that it chose when it has
// upgraded, ErrStarting when the request should be repeated, *Rejected when the desktop
// refuses, and a *closing.Ending when the head is beyond a limit.
func (q *Request) Check(head []byte) (subprotocol string, err error) {
	resp, err := response(head, q.rules)
	if refusal := (*closing.Ending)(nil); errors.As(err, &refusal) {
		return "", refusal
	}
	if err != nil {
		return "", &Rejected{Why: "its answer is no HTTP"}
	}
	reject := func(why string) (string, error) {
		return "", &Rejected{Why: why, Status: resp.StatusCode, Challenge: Challenge(resp)}
	}
	switch {
	case starting(resp.StatusCode):
		return "", fmt.Errorf("%w: %s", ErrStarting, resp.Status)
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return reject(resp.Status)
	case !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket") || resp.Header.Get("Sec-WebSocket-Accept") != q.accept:
		return reject("its answer is no WebSocket's")
	case resp.Header.Get("Sec-WebSocket-Extensions") != "":
		return reject("it uses an extension that was not offered")
	}
	subprotocol, ok := q.Subprotocols.chosen(resp.Header)
	if !ok {
		return reject(fmt.Sprintf("it chose the subprotocol %.32q, which was not offered", subprotocol))
	}
	return subprotocol, nil
}

// Keeps says whether the client can go on with the subprotocol that the desktop chose: not if
// it was promised another. A desktop that chose none is taken at the promise.
func (q *Request) Keeps(subprotocol string) error {
	if subprotocol == "" || subprotocol == q.Subprotocols.Promised {
		return nil
	}
	return closing.Subprotocol.Ending(subprotocol, q.Subprotocols.Promised)
}

// response reads an answer's head.
func response(head []byte, rules *Rules) (*http.Response, error) {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: http.MethodGet})
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close() // it misses its body: only the head was given
	return resp, rules.fields(resp.Header)
}

func starting(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}
