// Package clientcache keeps the static files of desktops' web clients from earlier
// visits, so that a browser loads the client while the desktop still starts.
//
// It promises that what one session's desktop served is never served to another
// session, nor on behalf of another image, and that it keeps no more than it may. It
// does not know whether a desktop can be reached: its caller must, since a desktop that
// is there usually answers for itself. Why it is built so:
// docs/decisions/0004-client-cache.md.
package clientcache

import (
	"container/list"
	"crypto/sha256"
	"net/http"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/auth"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/metrics"
)

const (
	// maxBody is the longest body that is kept, in bytes: clients' scripts and WebAssembly
	// are below it.
	maxBody = 4 << 20
	// maxPaths is how many paths of one session are kept; clients have some tens.
	maxPaths = 256
	// maxPath is the longest path with its query, in bytes.
	maxPath = 512
	// entryCost stands for an entry's own memory, besides its path and content, in bytes.
	entryCost = 256
	// sessionShare is the part of the cache that one session may fill: who controls a
	// desktop must not be able to push everybody else's client out.
	sessionShare = 4
	// recordingShare is the part of the cache that answers may take while they are read.
	recordingShare = 4
)

// Cache keeps clients of many sessions. Its zero value is not usable: see New.
type Cache struct {
	max     int64
	filter  auth.Filter
	metrics *metrics.Activator
	// recording is the bytes of answers that are being read.
	recording atomic.Int64

	mu       sync.Mutex
	sessions map[types.NamespacedName]*session
	// contents are kept once, whichever sessions have them.
	contents map[sum]*content
	// recent holds *entry, the latest used in front.
	recent *list.List
	used   int64
}

// session is what is kept for one session; it goes with its last entry.
type session struct {
	uid types.UID
	// asked is the image as the latest pod asked for it; image identifies the one
	// that ran, and is empty while that is not known.
	asked, image string
	entries      map[string]*entry
	bytes        int64
}

// entry is one path of one session.
type entry struct {
	key     types.NamespacedName
	path    string
	content *content
	// pod served it; image is that pod's, and empty until it is known.
	pod   types.UID
	image string
	place *list.Element
}

type sum [sha256.Size]byte

// content is one answer, shared by all entries that have the same.
type content struct {
	sum    sum
	header http.Header
	body   []byte
	size   int64
	uses   int
}

// New makes a cache of so many bytes; with 0 it keeps nothing.
func New(bytes int64, f auth.Filter, m *metrics.Activator) *Cache {
	return &Cache{max: bytes, filter: f, metrics: m,
		sessions: map[types.NamespacedName]*session{}, contents: map[sum]*content{}, recent: list.New()}
}

// Forget drops what is kept of a deleted session.
func (c *Cache) Forget(key types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[key]; s != nil {
		for _, e := range s.entries {
			c.drop(e)
		}
	}
	c.report()
}

// session returns what is kept for the session, or nil. A later session of the same name
// is another person's. The caller holds the lock.
func (c *Cache) session(v directory.View) *session {
	s := c.sessions[v.Key()]
	if s == nil || s.uid == v.Session.UID {
		return s
	}
	for _, e := range s.entries {
		c.drop(e)
	}
	return nil
}

// put keeps an answer of the session's pod in place of an earlier one of the same path.
func (c *Cache) put(v directory.View, path string, answer *content) {
	e := &entry{key: v.Key(), path: path, content: answer, pod: v.Pod.UID, image: identity(v.Pod)}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.report()
	s := c.session(v)
	if s == nil {
		s = &session{uid: v.Session.UID, asked: v.Pod.Image, image: e.image, entries: map[string]*entry{}}
	}
	size := e.content.size
	if old := s.entries[e.path]; old != nil {
		c.drop(old)
	} else if len(s.entries) >= maxPaths {
		return
	}
	if s.bytes+size > c.max/sessionShare {
		return
	}
	if same := c.contents[e.content.sum]; same != nil {
		e.content = same
	} else {
		c.contents[e.content.sum] = e.content
		c.used += size
	}
	e.content.uses++
	c.used += cost(e)
	s.bytes += size
	s.entries[e.path] = e
	c.sessions[e.key] = s
	e.place = c.recent.PushFront(e)
	for c.used > c.max {
		c.drop(c.recent.Back().Value.(*entry))
	}
}

// drop removes an entry, and with the last one that has it, its content. The caller
// holds the lock.
func (c *Cache) drop(e *entry) {
	s := c.sessions[e.key]
	delete(s.entries, e.path)
	s.bytes -= e.content.size
	if len(s.entries) == 0 {
		delete(c.sessions, e.key)
	}
	c.recent.Remove(e.place)
	c.used -= cost(e)
	if e.content.uses--; e.content.uses == 0 {
		delete(c.contents, e.content.sum)
		c.used -= e.content.size
	}
}

// report sets the metric; the caller holds the lock.
func (c *Cache) report() { c.metrics.CacheBytes.Set(float64(c.used)) }

func cost(e *entry) int64 { return entryCost + int64(len(e.path)) }
