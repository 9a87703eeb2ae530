package forward

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"
)

func TestPublishNamesAnAddressAndANodePort(t *testing.T) {
	good := map[string]Mapping{
		"127.0.0.1:8080=30080": {Listen: "127.0.0.1:8080", NodePort: 30080},
		"[::1]:443=30443":      {Listen: "[::1]:443", NodePort: 30443},
	}
	for text, want := range good {
		if got, err := ParseMapping(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "8080", "8080=30080", "127.0.0.1:8080", "127.0.0.1:8080=", "127.0.0.1:0=1", "127.0.0.1:8080=70000", "localhost:8080=30080", "127.0.0.1=30080"} {
		if got, err := ParseMapping(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
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
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the forwarder does not end")
		}
	})
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := client.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return client.(*net.TCPConn)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
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
	if _, err := client.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(client); err != nil || string(answer) != "answer to question" {
		t.Errorf("got %q, %v", answer, err)
	}
}

func TestAServerThatHasSentAllStillHearsTheClient(t *testing.T) {
	heard := make(chan string, 1)
	client := start(t, func(server *net.TCPConn) {
		_ = server.CloseWrite()
		request, _ := io.ReadAll(server)
		heard <- string(request)
	})
	if _, err := io.ReadAll(client); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("late words")); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-heard:
		if got != "late words" {
			t.Errorf("the server heard %q", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server heard nothing")
	}
}

func TestNobodyBehindThePortEndsTheConnection(t *testing.T) {
	listener := listen(t)
	gone := listen(t)
	target := gone.Addr().String()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = Serve(t.Context(), listener, target, slog.New(slog.DiscardHandler)) }()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); len(got) > 0 || isTimeout(err) {
		t.Errorf("got %q, %v", got, err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
