package viewer

import (
	"bytes"
	"context"
	"fmt"
	"net/url"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/test/desktop/internal/numbered"
)

// Numbers visits the desktop of no protocol: it says the given messages at once, reads
// until its numbers have counted to n and all that was said has come back, and returns an
// error if a number or an echo is missing, doubled or out of order.
func Numbers(ctx context.Context, o Options, say [][]byte, n uint64) error {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("address %q: want http or https and a host", o.URL)
	}
	u.Scheme = "ws" + u.Scheme[len("http"):]
	u.Path = numbered.Path
	dialer := websocket.Dialer{NetDialContext: o.DialContext, TLSClientConfig: o.TLS, Jar: o.Jar, HandshakeTimeout: upgradeTimeout}
	conn, resp, err := dialer.DialContext(ctx, u.String(), o.Header)
	if resp != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", u, err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	for _, message := range say {
		if err := conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
			return fmt.Errorf("say something: %w", err)
		}
	}
	last, echoes := uint64(0), 0
	for last < n || echoes < len(say) {
		_, raw, err := conn.ReadMessage()
		if err != nil {
			return fmt.Errorf("after number %d and %d echoes: %w", last, echoes, closing(err))
		}
		number, echo, err := numbered.Parse(raw)
		switch {
		case err != nil:
			return err
		case echo == nil && number != last+1:
			return fmt.Errorf("number %d came after %d", number, last)
		case echo == nil:
			last = number
		case echoes >= len(say) || !bytes.Equal(echo, say[echoes]):
			return fmt.Errorf("echo %d is %.60q, which was not said then", echoes, echo)
		default:
			echoes++
		}
	}
	return nil
}
