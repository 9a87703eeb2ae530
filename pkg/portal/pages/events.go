package pages

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// streamsPerUser is how many live pages a person may have; others of theirs stand still.
	streamsPerUser = 8
	// streamFor is how long a stream lasts: the browser opens another one, and so shows its
	// sign-in again.
	streamFor = 50 * time.Second
	// changesEvery is how often a live page is made anew. It is sent only if it has changed.
	changesEvery = 2 * time.Second
	// beatEvery is the pause between two events without content: proxies end silent streams.
	beatEvery = 10 * time.Second
	// writeWithin is how long a browser may take to read an event.
	writeWithin = 10 * time.Second
)

// streams counts the live pages by user.
type streams struct {
	mu sync.Mutex
	of map[string]int
}

// begin says whether the user may have one more; end gives it back.
func (s *streams) begin(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[user] >= streamsPerUser {
		return false
	}
	s.of[user]++
	return true
}

func (s *streams) end(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[user]--; s.of[user] <= 0 {
		delete(s.of, user)
	}
}

// events streams a page's content whenever it changes.
func (p *Pages) events(v *visit) {
	live := v.livePage()
	if live == nil {
		http.NotFound(v.w, v.r)
		return
	}
	if !p.streams.begin(v.User) {
		http.Error(v.w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
		return
	}
	defer p.streams.end(v.User)
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	stream{v: v, page: live}.run()
}

// livePage is the page that the request asks the changes of, which v is then a visit of; nil where
// there is none such.
func (v *visit) livePage() page {
	at, err := url.Parse(v.r.URL.Query().Get("at"))
	if err != nil || at.Host != "" || !strings.HasPrefix(at.Path, "/") {
		return nil
	}
	asked := v.r.Clone(context.WithValue(v.r.Context(), liveKey{}, true))
	asked.URL = &url.URL{Path: at.Path, RawQuery: at.RawQuery}
	v.r = asked
	switch parts := strings.Split(strings.Trim(at.Path, "/"), "/"); {
	case at.Path == "/":
		return v.Pages.desktops
	case at.Path == "/admin":
		return v.Pages.admin
	case len(parts) == 3 && parts[0] == "sessions":
		asked.SetPathValue("namespace", parts[1])
		asked.SetPathValue("name", parts[2])
		return v.Pages.session
	}
	return nil
}

// stream is a live page.
type stream struct {
	v    *visit
	page page
}

func (s stream) run() {
	ctx, cancel := context.WithTimeout(s.v.r.Context(), streamFor)
	defer cancel()
	change, beat := time.NewTicker(changesEvery), time.NewTicker(beatEvery)
	defer change.Stop()
	defer beat.Stop()
	last := []byte(nil)
	for {
		now, is := s.content()
		switch {
		case !is:
			s.send("gone", nil)
			return
		case !bytes.Equal(now, last):
			if last = now; !s.send("page", now) {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-change.C:
		case <-beat.C:
			if !s.send("beat", nil) {
				return
			}
		}
	}
}

// content is the page as it is now; false where there is none any more.
func (s stream) content() ([]byte, bool) {
	s.v.now = time.Now()
	shown, bad := s.page(s.v)
	if bad != nil {
		return nil, false
	}
	body, err := rendered(shown.File, s.v.framed(shown))
	return body, err == nil
}

// send writes an event; false says that nobody reads.
func (s stream) send(event string, data []byte) bool {
	var out bytes.Buffer
	out.WriteString("event: " + event + "\n")
	for line := range strings.SplitSeq(string(data), "\n") {
		out.WriteString("data: " + line + "\n")
	}
	out.WriteString("\n")
	c := http.NewResponseController(s.v.w)
	_ = c.SetWriteDeadline(time.Now().Add(writeWithin)) // a recorder in a test has none
	if _, err := s.v.w.Write(out.Bytes()); err != nil {
		return false
	}
	return c.Flush() == nil
}
