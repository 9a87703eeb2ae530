// Package relay carries visitors' requests to a desktop that has been reached:
// WebSockets for package hold, and plain HTTP.
//
// It keeps nothing and decides nothing; where the desktop is, it is told.
package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/activator/hold"
	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	// handshakeTimeout is how long a desktop that accepted the connection may take
	// to answer the upgrade before another attempt is made.
	handshakeTimeout = 30 * time.Second
	// handshakeRetry is the pause after a desktop that was not ready to answer.
	handshakeRetry = 50 * time.Millisecond
)

// DialFunc connects to the desktop's port, waiting for it as long as needed.
type DialFunc func(ctx context.Context) (net.Conn, error)

// Upgrade opens the desktop's end of a visitor's WebSocket. A desktop that accepts
// connections but breaks off or answers 502, 503 or 504 is still starting: it is
// asked again until ctx ends. onReached is called when a connection was accepted.
func Upgrade(ctx context.Context, dial DialFunc, in *http.Request, scheme, subprotocol string, onReached func()) (*websocket.Conn, error) {
	target := pathForDesktop(in.URL)
	target.Scheme, target.Host = "ws", in.Host
	header := headerForDesktop(in, scheme)
	header.Set("Host", in.Host)

	dialer := websocket.Dialer{
		HandshakeTimeout: handshakeTimeout,
		ReadBufferSize:   bufferSize,
		WriteBufferSize:  bufferSize,
		WriteBufferPool:  WriteBuffers,
	}
	if subprotocol != "" {
		dialer.Subprotocols = []string{subprotocol}
	}
	for {
		// The wait for the port is not part of the handshake's time.
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		onReached()
		dialer.NetDialContext = func(context.Context, string, string) (net.Conn, error) { return conn, nil }
		ws, resp, err := dialer.DialContext(ctx, target.String(), header)
		if err == nil {
			return ws, nil
		}
		_ = conn.Close()
		if resp != nil && !starting(resp.StatusCode) {
			return nil, &hold.Ending{Code: websocket.CloseInternalServerErr, Refusal: metrics.RefusedDesktopRejected,
				Reason: fmt.Sprintf("the desktop refused the connection: %s", resp.Status)}
		}

		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the desktop's answer: %w", errors.Join(err, context.Cause(ctx)))
		case <-time.After(handshakeRetry):
		}
	}
}

func starting(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}
