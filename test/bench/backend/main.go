// Command backend is the smallest desktop there is, for benchmarks, so that what is
// measured is the way to it. It answers a request at once, echoes WebSocket messages,
// speaks as much of Selkies 1.6's signaling as a viewer needs to be let in, and
// streams.
package main

import (
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// signalingPath is Selkies 1.6's.
	signalingPath = "/ws"
	echoPath      = "/echo"
	streamPath    = "/stream"
	// openedPath answers with the moment at which the port accepted, in nanoseconds
	// since 1970: all of a benchmark runs on one machine with one clock.
	openedPath = "/opened"
)

var upgrader = websocket.Upgrader{
	ReadBufferSize: 512, WriteBufferSize: 512,
	CheckOrigin: func(*http.Request) bool { return true },
}

func main() {
	port := os.Getenv("PORT") // Knative's name for it
	if port == "" {
		port = "8080"
	}
	if err := serve(":" + port); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// webSocket serves an upgraded connection until it ends.
func webSocket(do func(*websocket.Conn, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // the upgrader has answered
		}
		defer func() { _ = ws.Close() }()
		do(ws, r)
	}
}

func handler(opened time.Time) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc(openedPath, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(strconv.AppendInt(nil, opened.UnixNano(), 10))
	})
	mux.HandleFunc(signalingPath, webSocket(signal))
	mux.HandleFunc(echoPath, webSocket(echo))
	mux.HandleFunc(streamPath, webSocket(stream))
	return mux
}
