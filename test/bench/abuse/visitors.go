package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/test/bench/replica"
)

const (
	// signalingPath is Selkies 1.6's.
	signalingPath = "/ws"
	hello         = "HELLO"
	// period is how often a viewer says something.
	period = 100 * time.Millisecond
	// saidWhileHeld is how many messages each held viewer sends, the HELLO included.
	saidWhileHeld = 4
	// silence is when an answer that has not come is lost.
	silence = 30 * time.Second
	// viewerBuffer fits a message.
	viewerBuffer = 512
)

// A message is one that signaling knows: the end of candidates, of which there may be any
// number. The padding carries its own.
const messageBegin, messageEnd = `{"ice":{"candidate":"","sdpMLineIndex":0},"padding":"`, `"}`

func message(n int) []byte { return []byte(messageBegin + strconv.Itoa(n) + messageEnd) }

// number tells which message an answer is; the HELLO is 0.
func number(answer string) (int, error) {
	if answer == hello {
		return 0, nil
	}
	inner, isBegun := strings.CutPrefix(answer, messageBegin)
	inner, isEnded := strings.CutSuffix(inner, messageEnd)
	n, err := strconv.Atoi(inner)
	if !isBegun || !isEnded || err != nil {
		return 0, fmt.Errorf("heard %.100q", answer)
	}
	return n, nil
}

// echoes judges what comes back of messages 0, 1, 2 ….
type echoes struct {
	// sent is when each was said, times how often it came back.
	sent  []time.Time
	times []int
	// heard is how many came back, latest the last of them, wrong how many came again,
	// behind a later one or without having been said.
	heard, latest, wrong int
}

func (e *echoes) says(at time.Time) (n int) {
	e.sent, e.times = append(e.sent, at), append(e.times, 0)
	return len(e.sent) - 1
}

// hears is how long the message took; false where it was not due.
func (e *echoes) hears(n int, at time.Time) (took time.Duration, ok bool) {
	if n < 0 || n >= len(e.sent) || e.times[n] > 0 {
		e.wrong++
		return 0, false
	}
	e.times[n]++
	e.heard++
	if n < e.latest {
		e.wrong++
		return 0, false
	}
	e.latest = n
	return at.Sub(e.sent[n]), true
}

func (e *echoes) missing() int { return len(e.sent) - e.heard }

func (e *echoes) lost() int { return e.missing() + e.wrong }

// viewer is one who behaves.
type viewer struct {
	ws *websocket.Conn

	mu     sync.Mutex
	echoes echoes
	took   []time.Duration
	err    error
	// ended is closed when nothing more is heard.
	ended chan struct{}
}

func visit(ctx context.Context, address string, header http.Header) (*viewer, error) {
	dialer := websocket.Dialer{ReadBufferSize: viewerBuffer, WriteBufferSize: viewerBuffer, HandshakeTimeout: silence}
	ws, resp, err := dialer.DialContext(ctx, "ws://"+address+signalingPath, header)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("a viewer's upgrade was answered with %s", resp.Status)
		}
		return nil, err
	}
	v := &viewer{ws: ws, ended: make(chan struct{})}
	go v.listen()
	return v, nil
}

func (v *viewer) say() {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.echoes.says(time.Now())
	text := message(n)
	if n == 0 {
		text = []byte(hello + " 1")
	}
	if v.err != nil {
		return
	}
	_ = v.ws.SetWriteDeadline(time.Now().Add(silence))
	v.fail(v.ws.WriteMessage(websocket.TextMessage, text))
}

func (v *viewer) fail(err error) {
	if v.err == nil {
		v.err = err
	}
}

func (v *viewer) listen() {
	defer close(v.ended)
	for {
		_, m, err := v.ws.ReadMessage()
		now := time.Now()
		n := 0
		if err == nil {
			n, err = number(string(m))
		}
		v.mu.Lock()
		if err != nil {
			v.fail(err)
		} else if took, ok := v.echoes.hears(n, now); ok {
			v.took = append(v.took, took)
		}
		v.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// waits says whether something that was said has not come back; a viewer whose connection
// has ended waits for nothing.
func (v *viewer) waits() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err == nil && v.echoes.missing() > 0
}

// settle waits until all that was said has come back to all of them.
func settle(all []*viewer) {
	until := time.Now().Add(silence)
	for _, v := range all {
		for v.waits() && time.Now().Before(until) {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// lost is what the viewer lost, its connection included.
func (v *viewer) lost() (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := v.echoes.lost()
	if v.err != nil {
		n++
	} else if n > 0 {
		return n, errors.New("messages that did not come back once and in order")
	}
	return n, v.err
}

// visitors are all who behave.
type visitors struct {
	live, held []*viewer
	stop       context.CancelFunc
	talking    sync.WaitGroup
	// losses are noted before the viewers leave.
	losses int
	why    string
}

// visitors come, and those whose desktops are there begin to talk.
func (s *scene) visitors(ctx context.Context, o options) (*visitors, error) {
	talking, stop := context.WithCancel(ctx)
	v := &visitors{stop: stop}
	if err := v.come(ctx, s, o); err != nil {
		v.leave()
		return nil, err
	}
	for i, one := range v.live {
		v.talking.Go(func() {
			// Their turns are spread over the period.
			if pause(talking, period*time.Duration(i)/time.Duration(len(v.live))) != nil {
				return
			}
			tick := time.NewTicker(period)
			defer tick.Stop()
			for talking.Err() == nil {
				one.say()
				select {
				case <-tick.C:
				case <-talking.Done():
				}
			}
		})
	}
	return v, nil
}

func (v *visitors) come(ctx context.Context, s *scene, o options) error {
	for _, part := range []struct {
		count int
		of    []*replica.Session
		into  *[]*viewer
	}{{o.viewers, s.awake, &v.live}, {o.held, s.asleep, &v.held}} {
		for i := range part.count {
			header, err := part.of[i%len(part.of)].Visit()
			if err != nil {
				return err
			}
			one, err := visit(ctx, s.activator.Address, header)
			if err != nil {
				return err
			}
			*part.into = append(*part.into, one)
			one.say()
		}
	}
	for _, one := range v.held {
		for range saidWhileHeld - 1 {
			one.say()
		}
	}
	settle(v.live)
	for _, one := range v.live {
		if one.waits() {
			return errors.New("a viewer is not let in")
		}
	}
	for _, session := range s.asleep {
		if err := session.Woken(ctx); err != nil {
			return err
		}
		if err := session.Wanted(ctx, s.port); err != nil {
			return err
		}
	}
	return nil
}

// turn returns the latencies since the last turn.
func (v *visitors) turn() (all []time.Duration) {
	for _, one := range v.live {
		one.mu.Lock()
		all = append(all, one.took...)
		one.took = nil
		one.mu.Unlock()
	}
	return all
}

// finish lets those who talk end, waits until all are served, notes what was lost and lets
// them leave.
func (v *visitors) finish() {
	settle(v.held)
	for _, one := range v.held {
		// What was said twice would come before the answer to one message more.
		one.say()
	}
	v.stop()
	v.talking.Wait()
	settle(v.all())
	for _, one := range v.all() {
		n, err := one.lost()
		v.losses += n
		if err != nil && v.why == "" {
			v.why = err.Error()
		}
	}
	v.leave()
}

func (v *visitors) all() []*viewer { return slices.Concat(v.live, v.held) }

func (v *visitors) lost() (int, string) { return v.losses, v.why }

// leave hangs up.
func (v *visitors) leave() {
	v.stop()
	v.talking.Wait()
	for _, one := range v.all() {
		_ = one.ws.UnderlyingConn().(*net.TCPConn).Close()
		<-one.ended
	}
}
