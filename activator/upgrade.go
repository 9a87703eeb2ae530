package activator

import (
	"bytes"
	"net"
	"net/http"
	"strings"

	"github.com/gobwas/ws"
	"golang.org/x/net/http/httpguts"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/relay"
)

// keyLength is a Sec-WebSocket-Key's: 16 bytes in base64 (RFC 6455, section 4.1).
const keyLength = 24

// isUpgrade says that a request asks for a WebSocket, rightly or not.
func isUpgrade(r *http.Request) bool {
	return httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") &&
		httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "websocket")
}

// refuseUpgrade answers an upgrade that is not one of RFC 6455; the listener has refused
// other versions of HTTP already.
func (s *Server) refuseUpgrade(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		s.refuse(w, closing.UpgradeMethod.Ending())
	case strings.Join(r.Header["Sec-Websocket-Version"], ",") != "13":
		w.Header().Set("Sec-WebSocket-Version", "13")
		s.refuse(w, closing.UpgradeVersion.Ending())
	case len(r.Header["Sec-Websocket-Key"]) != 1 || len(r.Header.Get("Sec-WebSocket-Key")) != keyLength:
		s.refuse(w, closing.UpgradeKey.Ending())
	default:
		return false
	}
	return true
}

// upgrade takes the connection over from net/http. Nothing of net/http's stays but
// what the client sent without waiting for the answer.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, offer *relay.Subprotocols) (conn net.Conn, before []byte, err error) {
	u := ws.HTTPUpgrader{Timeout: s.Config.Limits.HeaderTimeout.Duration}
	if offer != nil {
		// The list was read already, and gobwas/ws refuses lists that are well-formed.
		r.Header.Del("Sec-WebSocket-Protocol")
		if offer.Promised != "" {
			r.Header.Set("Sec-WebSocket-Protocol", offer.Promised)
		}
		u.Protocol = func(name string) bool { return name == offer.Promised }
	}
	conn, rw, _, err := u.Upgrade(r, w)
	if err != nil {
		if conn != nil {
			_ = conn.Close()
		} else {
			s.hurry(w) // it was answered instead
		}
		return nil, nil, err
	}
	// A copy of what net/http has read too much, so that its buffer, of 4 KiB, can go.
	before, err = rw.Peek(rw.Reader.Buffered())
	return conn, bytes.Clone(before), err
}
