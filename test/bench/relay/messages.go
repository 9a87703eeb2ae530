package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/test/bench/figure"
)

const (
	connections = 50
	// totalRate is the messages a second of all connections: far from what any of the
	// contenders can do.
	totalRate = 2500
	// rating and flooding are how long a round measures messages with and without
	// that rate.
	rating   = time.Second
	flooding = time.Second
	// messageBuffer fits a message and its frame.
	messageBuffer = 256
	// answerWithin is when an answer that does not come fails the run.
	answerWithin = 10 * time.Second
)

// message has 64 bytes and is one that signaling knows: the end of candidates. Of
// those there may be any number.
var message = []byte(`{"ice":{"candidate":"","sdpMLineIndex":0},"padding":"123456789"}`)

const greeting, greeted = "HELLO 1", "HELLO"

// messages measures on many connections at once.
func (c *contender) messages(ctx context.Context, f *figures) (err error) {
	var open []*websocket.Conn
	defer func() {
		for _, ws := range open {
			_ = ws.Close()
		}
	}()
	for range connections {
		ws, err := c.dial(ctx, c.path, "", messageBuffer)
		if err != nil {
			return err
		}
		open = append(open, ws)
		if err := c.greet(ws); err != nil {
			return err
		}
	}
	before, err := c.cpu()
	if err != nil {
		return err
	}
	const period = connections * time.Second / totalRate
	began := time.Now()
	paced, err := together(open, func(i int, ws *websocket.Conn) ([]time.Duration, error) {
		// The connections' turns are spread over the period.
		return exchange(ws, began.Add(rating), began.Add(period*time.Duration(i)/connections), period)
	})
	if err != nil {
		return err
	}
	after, err := c.cpu()
	if err != nil {
		return err
	}
	f.CPU = (after - before) / time.Duration(len(paced))
	f.P50, f.P99 = figure.Percentile(paced, 0.50), figure.Percentile(paced, 0.99)

	began = time.Now()
	flood, err := together(open, func(_ int, ws *websocket.Conn) ([]time.Duration, error) {
		return exchange(ws, began.Add(flooding), began, 0)
	})
	f.Rate = float64(len(flood)) / time.Since(began).Seconds()
	return err
}

func (c *contender) greet(ws *websocket.Conn) error {
	if !c.greets {
		return nil
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte(greeting)); err != nil {
		return err
	}
	_, m, err := ws.ReadMessage()
	if err == nil && string(m) != greeted {
		err = fmt.Errorf("greeted with %q", m)
	}
	return err
}

// exchange sends messages and waits for each one's answer, until end: one a period,
// the first at due, or without a pause where period is 0.
func exchange(ws *websocket.Conn, end, due time.Time, period time.Duration) ([]time.Duration, error) {
	var took []time.Duration
	for time.Now().Before(end) {
		if period > 0 {
			time.Sleep(time.Until(due))
			due = due.Add(period)
		}
		sent := time.Now()
		_ = ws.SetReadDeadline(sent.Add(answerWithin))
		if err := ws.WriteMessage(websocket.TextMessage, message); err != nil {
			return nil, err
		}
		_, m, err := ws.ReadMessage()
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(sent))
		if string(m) != string(message) {
			return nil, fmt.Errorf("sent %s, heard %.100q", message, strings.ToValidUTF8(string(m), "?"))
		}
	}
	return took, nil
}

// together does the same with all connections at once and gathers what they say.
func together(open []*websocket.Conn, do func(int, *websocket.Conn) ([]time.Duration, error)) (all []time.Duration, err error) {
	type part struct {
		took []time.Duration
		err  error
	}
	parts := make(chan part)
	for i, ws := range open {
		go func() {
			took, err := do(i, ws)
			parts <- part{took, err}
		}()
	}
	for range open {
		p := <-parts
		all, err = append(all, p.took...), errors.Join(err, p.err)
	}
	return all, err
}
