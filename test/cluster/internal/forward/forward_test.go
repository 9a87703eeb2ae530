package forward

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPublishNamesAnAddressAndANodePort(t *testing.T) {
	good := map[string]Mapping{
		"127.0.0.1:8080=30080": {Listen: "127.0.0.1:8080", NodePort: 30080},
		"[::1]:443=30443":      {Listen: "[::1]:443", NodePort: 30443},
	}
	for text, want := range good {
		got, err := ParseMapping(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		assert.Equal(t, text, got.String())
	}
	for _, text := range []string{"", "8080", "8080=30080", "127.0.0.1:8080", "127.0.0.1:8080=", "127.0.0.1:0=1", "127.0.0.1:8080=70000", "localhost:8080=30080", "127.0.0.1=30080"} {
		got, err := ParseMapping(text)
		assert.Error(t, err, "%q was read as %+v", text, got)
	}
}

// start serves a forwarder to backend, which handles one connection, and returns a client.
func start(t *testing.T, backend func(*net.TCPConn)) *net.TCPConn {
	t.Helper()
	target := listen(t)
	go func() {
		connection, err := target.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		backend(connection.(*net.TCPConn))
	}()
	listener := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, listener, target.Addr().String(), slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			assert.NoError(t, err)
		case <-time.After(10 * time.Second):
			t.Error("the forwarder does not end")
		}
	})
	client, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	require.NoError(t, client.SetDeadline(time.Now().Add(10*time.Second)))
	return client.(*net.TCPConn)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func TestAClientThatHasSentAllStillGetsTheAnswer(t *testing.T) {
	client := start(t, func(server *net.TCPConn) {
		request, err := io.ReadAll(server) // returns only when the client's end arrives
		if err == nil {
			_, _ = server.Write(append([]byte("answer to "), request...))
		}
	})
	_, err := client.Write([]byte("question"))
	require.NoError(t, err)
	require.NoError(t, client.CloseWrite())
	answer, err := io.ReadAll(client)
	require.NoError(t, err)
	assert.Equal(t, "answer to question", string(answer), "got %q", answer)
}

func TestAServerThatHasSentAllStillHearsTheClient(t *testing.T) {
	heard := make(chan string, 1)
	client := start(t, func(server *net.TCPConn) {
		_ = server.CloseWrite()
		request, _ := io.ReadAll(server)
		heard <- string(request)
	})
	_, err := io.ReadAll(client)
	require.NoError(t, err)
	_, err = client.Write([]byte("late words"))
	require.NoError(t, err)
	require.NoError(t, client.Close())
	select {
	case got := <-heard:
		assert.Equal(t, "late words", got, "the server heard")
	case <-time.After(10 * time.Second):
		t.Error("the server heard nothing")
	}
}

func TestNobodyBehindThePortEndsTheConnection(t *testing.T) {
	listener := listen(t)
	gone := listen(t)
	target := gone.Addr().String()
	require.NoError(t, gone.Close())
	go func() { _ = Serve(t.Context(), listener, target, slog.New(slog.DiscardHandler)) }()
	client, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.SetDeadline(time.Now().Add(10*time.Second)))
	got, err := io.ReadAll(client)
	require.Empty(t, got, "%v", err)
	assert.False(t, isTimeout(err), "%v", err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
