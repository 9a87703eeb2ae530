package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/page"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// These are how long a page waits for an answer, and before it opens its stream again.
const (
	answerWithin   = 5 * time.Second
	reconnectAfter = 500 * time.Millisecond
)

// navigation and streaming are the headers of a browser's page load and of its page's stream.
var (
	navigation = map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
	streaming  = map[string]string{"Accept": "text/event-stream", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}
)

// guests are a round's visitors: browsers that load a session's page, and stay on it.
type guests struct {
	world  *World
	ledger *Ledger
	// browser keeps no connection for another request.
	browser *http.Client

	mu      sync.Mutex
	staying map[guest]context.CancelFunc
	gone    sync.WaitGroup
}

// guest is one of the visitors of a session.
type guest struct {
	session client.ObjectKey
	n       int
}

func newGuests(w *World, l *Ledger) *guests {
	return &guests{world: w, ledger: l, staying: map[guest]context.CancelFunc{},
		browser: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: answerWithin}}}
}

// visit loads the page, and stays on it until leave or until ctx ends.
func (g *guests) visit(ctx context.Context, who guest) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	body, _, err := g.get(ctx, who, 0, http.MethodGet, "/", navigation)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	_, err = io.Copy(io.Discard, body)
	return err
}

// stay keeps a page open that has been loaded: its stream, opened anew when it ends.
func (g *guests) stay(ctx context.Context, who guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.staying[who] != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	g.staying[who] = cancel
	g.gone.Go(func() {
		for try := 0; ctx.Err() == nil; try++ {
			_ = g.stream(ctx, who, try)
			select {
			case <-ctx.Done():
			case <-time.After(reconnectAfter):
			}
		}
	})
}

func (g *guests) stream(ctx context.Context, who guest, try int) error {
	body, at, err := g.get(ctx, who, try, http.MethodGet, page.EventsPath, streaming)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	leave := g.ledger.Came(at.session, at.activator)
	defer leave()
	defer context.AfterFunc(ctx, leave)() // before the activator learns of it
	_, err = io.Copy(io.Discard, body)
	return err
}

// types says that somebody types on the page.
func (g *guests) types(ctx context.Context, who guest) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	began := time.Now()
	body, at, err := g.get(ctx, who, 0, http.MethodPost, page.ActivityPath, streaming)
	if err != nil {
		return err
	}
	g.ledger.Typed(at.session, began)
	return body.Close()
}

// leave closes a visitor's page.
func (g *guests) leave(who guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if cancel := g.staying[who]; cancel != nil {
		cancel()
		delete(g.staying, who)
	}
}

// leaveAll closes all pages and waits until they are closed.
func (g *guests) leaveAll() {
	g.mu.Lock()
	for who, cancel := range g.staying {
		cancel()
		delete(g.staying, who)
	}
	g.mu.Unlock()
	g.gone.Wait()
}

// place is where a request was answered.
type place struct {
	session   types.UID
	activator string
}

// errNotThere says that there is no session, or no activator, to visit.
var errNotThere = errors.New("nobody is there to visit")

// get asks an activator that is well, another one with each try.
func (g *guests) get(ctx context.Context, who guest, try int, method, path string, headers map[string]string) (io.ReadCloser, place, error) {
	s := g.ledger.Session(who.session.Namespace, who.session.Name)
	address, name := g.activator(who.n + try)
	if s == nil || address == "" {
		return nil, place{}, errNotThere
	}
	req, err := g.request(ctx, s, method, "http://"+address+path, headers)
	if err != nil {
		return nil, place{}, err
	}
	resp, err := g.browser.Do(req)
	if err != nil {
		return nil, place{}, err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		_ = resp.Body.Close()
		return nil, place{}, fmt.Errorf("%s of %s: %s", path, who.session, resp.Status)
	}
	return resp.Body, place{s.UID, name}, nil
}

func (g *guests) request(ctx context.Context, s *v1alpha1.VDISession, method, url string, headers map[string]string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	header, err := g.world.Visit(s)
	if err != nil {
		return nil, err
	}
	req.Header, req.Host = header.Clone(), header.Get("Host")
	req.Header.Del("Host")
	req.Header.Set("Origin", "http://"+req.Host)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	return req, nil
}

// activator is one that is well; an empty address if none is.
func (g *guests) activator(n int) (address, name string) {
	for i := range g.world.Activators {
		p := g.world.Activators[(n+i)%len(g.world.Activators)]
		if at, well := p.At(); well {
			address, _, _ = strings.Cut(at, " ")
			return address, p.Name
		}
	}
	return "", ""
}
