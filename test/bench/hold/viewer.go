package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// viewerBuffer fits what a viewer says or hears.
	viewerBuffer = 512
	// silence is how long a served viewer waits for the next answer. It is no part
	// of any figure.
	silence = 30 * time.Second
	hello   = "HELLO"
)

// beViewers carries out the order.
func beViewers(ctx context.Context, in io.Reader, out io.Writer) error {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	var (
		coming, served sync.WaitGroup
		mu             sync.Mutex
		all            tally
	)
	began := time.Now()
	for i := range o.Viewers {
		if err := pause(ctx, time.Until(began.Add(time.Duration(i)*time.Second/time.Duration(o.PerSecond)))); err != nil {
			return err
		}
		coming.Add(1)
		served.Go(func() {
			v := &viewer{target: o.Targets[i%len(o.Targets)], messages: o.Messages, came: sync.OnceFunc(coming.Done)}
			defer v.came()
			err := v.visit(ctx)
			mu.Lock()
			defer mu.Unlock()
			all.add(v.heard, o.Messages, err)
			all.LastNanos = max(all.LastNanos, v.complete.UnixNano())
			if err != nil && all.Why == "" {
				all.Why = err.Error()
			}
		})
	}
	coming.Wait()
	if _, err := out.Write([]byte("{}\n")); err != nil {
		return err
	}
	served.Wait()
	_, err := out.Write(encoded(all))
	return err
}

// viewer is one viewer of Selkies 1.6, as far as holding goes.
type viewer struct {
	target
	messages int
	// came is called when the request was sent.
	came func()
	// heard are the numbers of the messages that came back, in their order; 0 is the
	// HELLO.
	heard []int
	// complete is when all that was said while held had come back.
	complete time.Time
}

// visit says everything and listens until it has all come back.
func (v *viewer) visit(ctx context.Context) error {
	v.complete = time.Unix(0, 0)
	release := func() bool { return true }
	defer func() { release() }()
	dialer := websocket.Dialer{ReadBufferSize: viewerBuffer, WriteBufferSize: viewerBuffer,
		NetDialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			raw, err := (&net.Dialer{}).DialContext(ctx, network, v.Address)
			if err == nil {
				// The library's handshake has no other end.
				release = context.AfterFunc(ctx, func() { _ = raw.Close() })
			}
			return &noticed{Conn: raw, written: v.came}, err
		}}
	at := url.URL{Scheme: "ws", Host: v.Address, Path: v.Path}
	ws, resp, err := dialer.DialContext(ctx, at.String(), v.Header)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("the upgrade was answered with %s", resp.Status)
		}
		return err
	}
	defer func() { _ = ws.Close() }()
	for i := range v.messages {
		if err := v.say(ws, i); err != nil {
			return err
		}
	}
	for v.complete.Unix() == 0 {
		if err := v.listen(ws); err != nil {
			return err
		}
		if len(v.heard) >= v.messages {
			v.complete = time.Now()
		}
	}
	// What was said twice would come before the answer to one message more.
	if err := v.say(ws, v.messages); err != nil {
		return err
	}
	for v.heard[len(v.heard)-1] != v.messages {
		_ = ws.SetReadDeadline(time.Now().Add(silence))
		if err := v.listen(ws); err != nil {
			return err
		}
	}
	return nil
}

func (v *viewer) say(ws *websocket.Conn, i int) error {
	return ws.WriteMessage(websocket.TextMessage, message(i))
}

// listen takes one message. The wait for the first has no bound of its own: that is
// the hold.
func (v *viewer) listen(ws *websocket.Conn) error {
	_, m, err := ws.ReadMessage()
	if err != nil {
		return err
	}
	i, err := number(string(m))
	if err != nil {
		return err
	}
	v.heard = append(v.heard, i)
	return nil
}

// candidate is what is around the number of a message: a port.
const candidateBegin, candidateEnd = `{"ice":{"candidate":"candidate:1 1 UDP 2122260223 192.0.2.1 `, ` typ host","sdpMLineIndex":0}}`

// firstPort is the first message's after the HELLO.
const firstPort = 40000

func message(i int) []byte {
	if i == 0 {
		return []byte(hello + " 1 " + base64.StdEncoding.EncodeToString([]byte(`{"res":"1920x1080","scale":1}`)))
	}
	return []byte(candidateBegin + strconv.Itoa(firstPort+i) + candidateEnd)
}

// number tells which message an answer is to.
func number(answer string) (int, error) {
	if answer == hello {
		return 0, nil
	}
	port, isBegun := strings.CutPrefix(answer, candidateBegin)
	port, isEnded := strings.CutSuffix(port, candidateEnd)
	n, err := strconv.Atoi(port)
	if !isBegun || !isEnded || err != nil {
		return 0, fmt.Errorf("heard %.100q", answer)
	}
	return n - firstPort, nil
}

// noticed calls written after the first write.
type noticed struct {
	net.Conn
	written func()
}

func (n *noticed) Write(b []byte) (int, error) {
	w, err := n.Conn.Write(b)
	n.written()
	return w, err
}
