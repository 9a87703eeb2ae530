// Package directory is the activator's view of sessions and their pods, fed by
// informers and read on every request.
//
// It promises that a lookup takes no API call, and that each change of a session wakes
// those who wait on it. It does not decide anything.
package directory

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// Pod is what the activator needs to know of a session's pod.
type Pod struct {
	Name string
	UID  types.UID
	// Scheduled says that the pod has a node, Started that the desktop's container runs,
	// both by the API.
	Scheduled bool
	Started   bool
	// StartedAt is when that container started, in full seconds; zero until the API
	// shows it.
	StartedAt time.Time
	// IP is the API's, or the announced one until the API knows it; empty until
	// either is known. Port is where the desktop listens.
	IP   string
	Port int32
	// Announced says that the pod announced its address, Listening that it announced
	// that its desktop's port accepts.
	Announced bool
	Listening bool
	// AgentPort is where the pod's agent takes orders, 0 where that is not known. StandsIn says that
	// it is the desktop's viewer, and that a client can take its place there.
	AgentPort uint16
	StandsIn  bool
	// Image is the desktop's image as the pod asks for it; ImageID is the one that
	// runs, by its digest, and empty until the API knows it.
	Image, ImageID string
}

// View is a session at one moment. Session is shared with the informer: it must
// not be changed.
type View struct {
	Session *v1alpha1.VDISession
	// Pod is the newest pod that is not being deleted, or nil.
	Pod *Pod
	// Changed is closed when anything here is no longer the newest.
	Changed <-chan struct{}
}

// Key is the session's.
func (v View) Key() types.NamespacedName { return client.ObjectKeyFromObject(v.Session) }

// Directory maps addresses to sessions and sessions to pods.
type Directory struct {
	address func(namespace, name string) string
	// onDrop is called with each deleted session.
	onDrop func(types.NamespacedName)
	// onChange are called with each change; see Observe.
	onChange []func(before, after *v1alpha1.VDISession)

	mu        sync.RWMutex
	byAddress map[string]types.NamespacedName
	entries   map[types.NamespacedName]*entry
	pool      pool
}

type entry struct {
	session *v1alpha1.VDISession
	pods    map[types.UID]*record
	// newest is what the newest of them shows, or nil.
	newest *Pod
	// early are announcements of pods that are not known yet, oldest first.
	early   []early
	changed chan struct{}
}

// New makes an empty directory. address gives where visitors find a session: its host
// without port, and its folder there, if it has one; no two sessions have the same. onDrop,
// if set, is called with each deleted session.
func New(address func(namespace, name string) string, onDrop func(types.NamespacedName)) *Directory {
	if onDrop == nil {
		onDrop = func(types.NamespacedName) {}
	}
	return &Directory{address: address, onDrop: onDrop,
		byAddress: map[string]types.NamespacedName{}, entries: map[types.NamespacedName]*entry{},
		pool: pool{owners: map[types.UID]owner{}, claims: make(chan struct{})}}
}

// Find returns the session that an address belongs to, as it is now; false when there is
// none.
func (d *Directory) Find(address string) (View, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	key, ok := d.byAddress[address]
	if !ok {
		return View{}, false
	}
	return d.view(key)
}

// View returns the session as it is now; false when there is none.
func (d *Directory) View(key types.NamespacedName) (View, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.view(key)
}

// Current returns the same session as it is now; false when it is gone.
func (d *Directory) Current(v View) (View, bool) {
	now, ok := d.View(v.Key())
	return now, ok && now.Session.UID == v.Session.UID
}

func (d *Directory) view(key types.NamespacedName) (View, bool) {
	e := d.entries[key]
	if e == nil || e.session == nil {
		return View{}, false
	}
	return View{Session: e.session, Pod: e.newest, Changed: e.changed}, true
}

// Observe calls f for each session that is new, with nil before, has changed, or was
// deleted, with nil after, in their order; f must not block. Call Observe before the first session is set.
func (d *Directory) Observe(f func(before, after *v1alpha1.VDISession)) {
	d.onChange = append(d.onChange, f)
}

// SetSession records a session that was added or changed.
func (d *Directory) SetSession(s *v1alpha1.VDISession) {
	before := d.set(s)
	for _, f := range d.onChange {
		f(before, s)
	}
}

// set returns what was known of the session before; nil is nothing.
func (d *Directory) set(s *v1alpha1.VDISession) (before *v1alpha1.VDISession) {
	key := client.ObjectKeyFromObject(s)
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entry(key)
	before, e.session = e.session, s
	if before == nil { // a pod may have been claimed for it that was shown first
		d.pool.notify()
	}
	// Nobody takes a live session's address over.
	if address := d.address(key.Namespace, key.Name); d.byAddress[address] == (types.NamespacedName{}) {
		d.byAddress[address] = key
	}
	e.notify()
	return before
}

// DropSession forgets a deleted session.
func (d *Directory) DropSession(key types.NamespacedName) {
	defer d.onDrop(key)
	before := d.drop(key)
	if before == nil {
		return
	}
	for _, f := range d.onChange {
		f(before, nil)
	}
}

// drop returns what was known of the session; nil is nothing.
func (d *Directory) drop(key types.NamespacedName) (before *v1alpha1.VDISession) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[key]
	if e == nil {
		return nil
	}
	before, e.session = e.session, nil
	if address := d.address(key.Namespace, key.Name); d.byAddress[address] == key {
		delete(d.byAddress, address)
	}
	e.notify()
	d.prune(key, e)
	return before
}

func (d *Directory) entry(key types.NamespacedName) *entry {
	e := d.entries[key]
	if e == nil {
		e = &entry{pods: map[types.UID]*record{}, changed: make(chan struct{})}
		d.entries[key] = e
	}
	return e
}

func (d *Directory) prune(key types.NamespacedName, e *entry) {
	if e.session == nil && len(e.pods) == 0 {
		delete(d.entries, key)
	}
}

// notify wakes everybody who waits on the entry; the caller holds the lock.
func (e *entry) notify() {
	close(e.changed)
	e.changed = make(chan struct{})
}
