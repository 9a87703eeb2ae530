package main

import (
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

const hello = "HELLO"

// signal lets a viewer in with HELLO and then says again what it hears: the viewer
// sees by that what came, how often and in which order. A second HELLO, and anything
// before the first, ends the connection.
func signal(ws *websocket.Conn, _ *http.Request) {
	kind, message, err := ws.ReadMessage()
	if err != nil {
		return
	}
	if kind != websocket.TextMessage || !strings.HasPrefix(string(message), hello+" ") {
		refuse(ws, "the first message is no HELLO")
		return
	}
	if ws.WriteMessage(websocket.TextMessage, []byte(hello)) != nil {
		return
	}
	for {
		kind, message, err := ws.ReadMessage()
		if err != nil {
			return
		}
		if strings.HasPrefix(string(message), hello) {
			refuse(ws, "a second HELLO")
			return
		}
		if ws.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func refuse(ws *websocket.Conn, why string) {
	_ = ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseProtocolError, why))
}

// echo says again what it hears.
func echo(ws *websocket.Conn, _ *http.Request) {
	for {
		kind, message, err := ws.ReadMessage()
		if err != nil || ws.WriteMessage(kind, message) != nil {
			return
		}
	}
}
