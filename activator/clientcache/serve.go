package clientcache

import (
	"bytes"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/metrics"
)

// Serve answers a request with what the session's desktop answered on an earlier
// visit; false, and nothing written, when there is no such answer. Call it only while
// the desktop cannot be reached, or answers too late.
func (c *Cache) Serve(w http.ResponseWriter, r *http.Request, v directory.View) bool {
	if c.max == 0 || r.Method != http.MethodGet || wantsFresh(r) || !asksForClient(r) {
		return false
	}
	found := c.find(v, r.URL.RequestURI())
	if found == nil || !understands(r, found.header.Get("Content-Encoding")) {
		c.metrics.CacheServed.WithLabelValues(metrics.CacheMiss).Inc()
		return false
	}
	c.metrics.CacheServed.WithLabelValues(metrics.CacheHit).Inc()
	h := w.Header()
	for name, values := range found.header {
		h[name] = values
	}
	// The browser asks again the next time, when the desktop may answer for itself.
	h.Set("Cache-Control", "no-cache")
	modified, err := http.ParseTime(found.header.Get("Last-Modified"))
	if err != nil {
		modified = time.Time{}
	}
	http.ServeContent(w, r, "", modified, bytes.NewReader(found.body))
	return true
}

// Has says that a document of the session is kept, and under the image that will run
// as far as that is known.
func (c *Cache) Has(v directory.View, path string) bool {
	return c.max > 0 && c.find(v, path) != nil
}

func (c *Cache) find(v directory.View, path string) *content {
	c.Observe(v)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.session(client.ObjectKeyFromObject(v.Session), v.Session.UID)
	if s == nil {
		return nil
	}
	e := s.entries[path]
	if e == nil || e.image == "" || e.image != s.image {
		return nil
	}
	c.recent.MoveToFront(e.place)
	return e.content
}

// Body is what the session's desktop answered at a path on an earlier visit; nil when
// that is not known.
func (c *Cache) Body(v directory.View, path string) []byte {
	if found := c.find(v, path); found != nil {
		return found.body
	}
	return nil
}

// Drop forgets what is kept of the session at paths of which is is true.
func (c *Cache) Drop(key types.NamespacedName, is func(path string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.report()
	s := c.sessions[key]
	if s == nil {
		return
	}
	for path, e := range s.entries {
		if is(path) {
			c.drop(e)
		}
	}
}
