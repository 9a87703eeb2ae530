package main

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// maxFrame is a little more than an intra frame of 4K video.
const maxFrame = 4 << 20

// stream sends binary messages of ?bytes= each, ?hz= a second or, with 0, as fast as
// they are taken. Each begins with the moment at which it was due, in nanoseconds
// since 1970, big endian: one that is sent late is late.
func stream(ws *websocket.Conn, r *http.Request) {
	size, hz, err := streamOf(r)
	if err != nil {
		refuse(ws, err.Error())
		return
	}
	// A close by the viewer ends the stream; its messages are not of interest.
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := ws.NextReader(); err != nil {
				return
			}
		}
	}()
	frame := make([]byte, size)
	due := time.Now()
	for {
		if hz == 0 {
			due = time.Now()
		} else {
			due = due.Add(time.Second / time.Duration(hz))
			select {
			case <-gone:
				return
			case <-time.After(time.Until(due)):
			}
		}
		binary.BigEndian.PutUint64(frame, uint64(due.UnixNano()))
		if ws.WriteMessage(websocket.BinaryMessage, frame) != nil {
			break
		}
	}
	_ = ws.Close()
	<-gone
}

func streamOf(r *http.Request) (size, hz int, err error) {
	q := r.URL.Query()
	if size, err = strconv.Atoi(q.Get("bytes")); err != nil || size < 8 || size > maxFrame {
		return 0, 0, fmt.Errorf("bytes=%q: must be 8 to %d", q.Get("bytes"), maxFrame)
	}
	if hz, err = strconv.Atoi(q.Get("hz")); err != nil || hz < 0 || hz > 1000 {
		return 0, 0, fmt.Errorf("hz=%q: must be 0 to 1000", q.Get("hz"))
	}
	return size, hz, nil
}
