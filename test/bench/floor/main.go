// Command floor is the least that a Go server can keep a waiting WebSocket with, for
// benchmarks: net/http, gorilla's WebSocket library, small buffers, one goroutine that
// waits. It knows nobody, buffers nothing and leads nowhere.
package main

import (
	"flag"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

// bufferSize is the least that the library reads frames and control messages with
// comfortably.
const bufferSize = 256

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	flag.Parse()
	upgrader := websocket.Upgrader{
		// Its own read buffer: net/http's would keep the whole of net/http's connection.
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize, WriteBufferPool: &sync.Pool{},
		CheckOrigin: func(*http.Request) bool { return true },
	}
	err := http.ListenAndServe(*listen, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // the upgrader has answered
		}
		// The goroutine that served the request has a stack that grew; it ends here.
		go wait(ws)
	}))
	os.Stderr.WriteString(err.Error() + "\n")
	os.Exit(1)
}

func wait(ws *websocket.Conn) {
	for {
		if _, _, err := ws.NextReader(); err != nil {
			_ = ws.Close()
			return
		}
	}
}
