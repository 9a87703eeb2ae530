package clientcache

import (
	"crypto/sha256"
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/org/vdi-operator/activator/directory"
)

// Recording is an answer that is kept while it is written, if it may be.
type Recording struct {
	http.ResponseWriter
	cache   *Cache
	request *http.Request
	view    directory.View

	decided, keep bool
	// byMagic says that it depends on how the body begins.
	byMagic bool
	// length is what the answer says of itself; -1 is nothing.
	length int64
	header http.Header
	body   []byte
	// taken is what the body takes of the recordings' share.
	taken int64
}

// Record returns a writer that passes on what the desktop at the other end of conn
// answers. Commit keeps it after the answer was complete; End must be called.
func (c *Cache) Record(w http.ResponseWriter, r *http.Request, v directory.View, conn net.Conn) *Recording {
	rec := &Recording{ResponseWriter: w, cache: c, request: r, view: v}
	// The pod may have been replaced while it was dialled.
	if c.max == 0 || v.Pod == nil || !isAt(conn, v.Pod.IP) || !c.asksForClient(r) {
		rec.decided = true
	}
	return rec
}

func isAt(conn net.Conn, ip string) bool {
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	return err == nil && host == ip
}

// Unwrap serves http.ResponseController.
func (r *Recording) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *Recording) WriteHeader(status int) {
	if !r.decided && status >= http.StatusOK {
		r.decide(status)
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *Recording) decide(status int) {
	r.decided, r.length = true, -1
	h := r.Header()
	var keep bool
	if keep, r.byMagic = mayKeep(r.request, status, h); !keep {
		return
	}
	if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil {
		if r.length = n; n > maxBody {
			return
		}
	}
	// Now: the next writer may change the header.
	r.keep, r.header = true, kept(h)
}

// Write implements http.ResponseWriter.
func (r *Recording) Write(b []byte) (int, error) {
	if !r.decided {
		r.decide(http.StatusOK)
	}
	if r.keep && !r.take(b) {
		r.End()
	}
	return r.ResponseWriter.Write(b)
}

// take keeps a part of the body; false when it does not fit.
func (r *Recording) take(b []byte) bool {
	n := int64(len(b))
	if int64(len(r.body))+n > maxBody || r.byMagic && len(r.body) == 0 && n > 0 && !isFont(b) {
		return false
	}
	r.taken += n
	if r.cache.recording.Add(n) > r.cache.max/recordingShare {
		return false
	}
	r.body = append(r.body, b...)
	return true
}

// End gives back what the recording uses.
func (r *Recording) End() {
	r.cache.recording.Add(-r.taken)
	r.keep, r.body, r.taken = false, nil, 0
}

// Commit keeps the answer, if it may be kept and is complete.
func (r *Recording) Commit() {
	if !r.keep || r.length >= 0 && r.length != int64(len(r.body)) || r.byMagic && len(r.body) == 0 {
		return
	}
	c := &content{header: r.header, body: slices.Clip(r.body)}
	c.sum, c.size = identify(c)
	r.cache.put(r.view, r.request.URL.RequestURI(), c)
}

// identify hashes an answer, header and body, and says what it weighs.
func identify(c *content) (s sum, size int64) {
	h := sha256.New()
	for _, name := range keptHeader {
		for _, v := range c.header[name] {
			_, _ = h.Write([]byte(name + "\x00" + v + "\x00"))
			size += int64(len(name) + len(v))
		}
	}
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(c.body)
	h.Sum(s[:0])
	return s, size + int64(len(c.body))
}
