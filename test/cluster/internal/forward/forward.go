// Package forward joins a TCP port of this machine's loopback address to a port elsewhere,
// byte for byte. It stands in for the port mappings of a container engine.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// dialTimeout bounds how long a client waits for the other side to accept.
const dialTimeout = 5 * time.Second

// Mapping is one published port.
type Mapping struct {
	// Listen is where clients connect, host and port.
	Listen string
	// NodePort is the port of the node that it leads to.
	NodePort int
}

// ParseMapping reads HOST:PORT=NODEPORT, such as 127.0.0.1:8080=30080.
func ParseMapping(text string) (Mapping, error) {
	const want = "want ADDRESS:PORT=NODEPORT, such as 127.0.0.1:8080=30080"
	listen, port, ok := strings.Cut(text, "=")
	if !ok {
		return Mapping{}, fmt.Errorf("publish %q: %s", text, want)
	}
	host, listenPort, err := net.SplitHostPort(listen)
	if err != nil || net.ParseIP(host) == nil {
		return Mapping{}, fmt.Errorf("publish %q: %q is not an address with a port: %s", text, listen, want)
	}
	if n, err := strconv.ParseUint(listenPort, 10, 16); err != nil || n == 0 {
		return Mapping{}, fmt.Errorf("publish %q: %q is not a port: %s", text, listenPort, want)
	}
	node, err := strconv.ParseUint(port, 10, 16)
	if err != nil || node == 0 {
		return Mapping{}, fmt.Errorf("publish %q: %q is not a port: %s", text, port, want)
	}
	return Mapping{Listen: listen, NodePort: int(node)}, nil
}

func (m Mapping) String() string { return fmt.Sprintf("%s=%d", m.Listen, m.NodePort) }

// Serve accepts on listener and joins every connection to target until ctx ends.
func Serve(ctx context.Context, listener net.Listener, target string, log *slog.Logger) error {
	var connections sync.WaitGroup
	defer connections.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			var temporary net.Error
			if errors.As(err, &temporary) && temporary.Timeout() {
				continue
			}
			return fmt.Errorf("accept on %s: %w", listener.Addr(), err)
		}
		connections.Go(func() {
			if err := join(ctx, client, target); err != nil {
				log.Warn("connection failed", "client", client.RemoteAddr().String(), "target", target, "error", err)
			}
		})
	}
}

// join copies both ways. When one side has sent its last byte, the other is told so and may
// still answer: a request's end is not the connection's end.
func join(ctx context.Context, client net.Conn, target string) error {
	defer client.Close()
	dialer := net.Dialer{Timeout: dialTimeout}
	server, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return err
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })
	defer stop()

	var group sync.WaitGroup
	group.Go(func() { pipe(server, client) })
	group.Go(func() { pipe(client, server) })
	group.Wait()
	return nil
}

// pipe copies until from ends. After a clean end only to's sending half is closed; after an
// error there is nobody left to answer, and both connections are closed.
func pipe(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		_, _ = to.Close(), from.Close()
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
