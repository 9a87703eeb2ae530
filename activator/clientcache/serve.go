package clientcache

import (
	"bytes"
	"maps"
	"net/http"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/metrics"
)

// Serve answers a request with what the session's desktop answered on an earlier
// visit; false, and nothing written, when there is no such answer. Call it only while
// the desktop cannot be reached, or answers too late.
func (c *Cache) Serve(w http.ResponseWriter, r *http.Request, v directory.View) bool {
	if c.max == 0 || r.Method != http.MethodGet || wantsFresh(r) || !c.asksForClient(r) {
		return false
	}
	found := c.find(v, r.URL.RequestURI())
	if found == nil || !understands(r, found.header.Get("Content-Encoding")) {
		c.metrics.CacheServed.WithLabelValues(metrics.CacheMiss).Inc()
		return false
	}
	c.metrics.CacheServed.WithLabelValues(metrics.CacheHit).Inc()
	maps.Copy(w.Header(), found.header)
	// The browser asks again the next time, when the desktop may answer for itself.
	w.Header().Set("Cache-Control", "no-cache")
	modified, _ := http.ParseTime(found.header.Get("Last-Modified")) // zero where there is none
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
	s := c.session(v)
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

// Former are the paths of what is kept of the session, under the image that runs, that
// another pod than the present one served.
func (c *Cache) Former(v directory.View) (paths []string) {
	c.Observe(v)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.session(v)
	if s == nil || v.Pod == nil {
		return nil
	}
	for path, e := range s.entries {
		if e.pod != v.Pod.UID {
			paths = append(paths, path)
		}
	}
	return paths
}
