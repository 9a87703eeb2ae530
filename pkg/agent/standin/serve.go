package standin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/org/vdi-operator/pkg/agentapi"
)

const (
	// atOnce bounds the requests and WebSockets at the same time; a desktop has one viewer.
	atOnce = 16
	// headWithin and mostHead, in bytes, bound a request's head: the activator passes on its
	// visitor's.
	headWithin = 5 * time.Second
	mostHead   = 256 << 10
	// helloWithin and longestHello, in bytes, bound a client's first message.
	helloWithin  = 10 * time.Second
	longestHello = 4 << 10
	// partWithin is how long one side may still speak after the other has ended.
	partWithin = 2 * time.Second
	// What may be ordered: a screen of any size, a time and an amount that an agent has room for.
	mostPixels = 1 << 16
	mostScale  = 16
	mostBytes  = 1 << 20
	mostTime   = time.Hour
)

// Serve serves activators until ctx ends, and then who has taken a place until they leave.
func (k *Keeper) Serve(ctx context.Context, l net.Listener) {
	places := make(chan struct{}, atOnce)
	srv := &http.Server{ReadHeaderTimeout: headWithin, MaxHeaderBytes: mostHead, BaseContext: func(net.Listener) context.Context { return ctx },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
				k.serve(w, r)
			default:
				http.Error(w, "too many ask at once", http.StatusServiceUnavailable)
			}
		})}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(l); ctx.Err() == nil {
		k.Log.Error("the agent takes no orders any more", "error", err)
	}
	k.Stop()
}

func (k *Keeper) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != agentapi.StandInPath:
		k.serveClient(w, r)
	case r.Method == http.MethodPost:
		k.serveOrder(w, r)
	default:
		http.Error(w, "ask for this with POST", http.StatusMethodNotAllowed)
	}
}

func (k *Keeper) serveOrder(w http.ResponseWriter, r *http.Request) {
	var order agentapi.StandIn
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, agentapi.MaxLength)).Decode(&order)
	if err == nil {
		err = check(order)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if end, err := k.Stand(r.Context(), order); err == nil {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(agentapi.Ended{End: end})
	}
}

// check says what is wrong with an order.
func check(o agentapi.StandIn) error {
	for name, v := range map[string]struct{ is, most float64 }{
		"width": {float64(o.Width), mostPixels}, "height": {float64(o.Height), mostPixels}, "scale": {o.Scale, mostScale},
		"milliseconds": {float64(o.Milliseconds), float64(mostTime.Milliseconds())}, "bytes": {float64(o.Bytes), mostBytes},
	} {
		if !(v.is > 0 && v.is <= v.most) || math.IsNaN(v.is) {
			return fmt.Errorf("%s is %v: must be above 0, and %v at most", name, v.is, v.most)
		}
	}
	return nil
}

// serveClient gives a place to the client that comes for it. Where there is none it refuses as
// the desktop does, so that the client is tried there.
func (k *Keeper) serveClient(w http.ResponseWriter, r *http.Request) {
	client, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		if client != nil {
			_ = client.Close()
		}
		return
	}
	defer func() { _ = client.Close() }()
	_ = client.SetDeadline(time.Now().Add(helloWithin))
	h, err := readHello(rw.Reader)
	if err != nil {
		return
	}
	p := k.take(h)
	if p == nil {
		_ = ws.WriteFrame(client, ws.NewCloseFrame(ws.NewCloseFrameBody(takenCode, takenReason)))
		return
	}
	defer k.passing.Done()
	defer func() { _ = p.conn.Close() }()
	_ = client.SetDeadline(time.Time{})
	heard := slices.Concat(p.kept, p.coming)
	p.kept, p.coming = nil, nil
	said, _ := rw.Peek(rw.Reader.Buffered())
	if _, err := client.Write(heard); err != nil {
		return
	}
	if _, err := p.conn.Write(said); err != nil {
		return
	}
	k.Log.Info("a client took the stand-in viewer's place", "peer", p.uid)
	pass(client, p.conn)
	p.viewer.stop() // a client closes both of its sockets
}

func readHello(from *bufio.Reader) (hello, error) {
	head, err := ws.ReadHeader(from)
	if err != nil {
		return hello{}, err
	}
	if head.OpCode != ws.OpText || !head.Fin || !head.Masked || head.Length > longestHello {
		return hello{}, fmt.Errorf("the first frame is no %s", helloWord)
	}
	said := make([]byte, head.Length)
	if _, err := io.ReadFull(from, said); err != nil {
		return hello{}, err
	}
	ws.Cipher(said, head.Mask, 0)
	h, ok := parseHello(said)
	if !ok {
		return hello{}, fmt.Errorf("the first message is no %s", helloWord)
	}
	return h, nil
}

// pass copies both ways until both have ended, or one has and the other goes on for too long.
func pass(a, b net.Conn) {
	var both sync.WaitGroup
	copying := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		_ = to.SetReadDeadline(time.Now().Add(partWithin))
	}
	both.Go(func() { copying(a, b) })
	both.Go(func() { copying(b, a) })
	both.Wait()
}
