package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

// maxBuckets bounds how many keys' buckets are kept, some 300 bytes each. The key
// unused for the longest time goes first, which gives it a full bucket: the limits of a
// user and of a session bound a client with that many addresses.
const maxBuckets = 1 << 14

// Rate bounds how often something is done, for each key by itself.
type Rate[K comparable] struct {
	perSecond rate.Limit
	burst     int

	mu      sync.Mutex
	buckets *lru.Cache
}

// NewRate makes a limiter: burst at once, then perSecond each second.
func NewRate[K comparable](perSecond float64, burst int) *Rate[K] {
	return &Rate[K]{perSecond: rate.Limit(perSecond), burst: burst, buckets: lru.New(maxBuckets)}
}

// Take takes one from the key's bucket. Where none is left it takes nothing and
// returns how long until there is one.
func (r *Rate[K]) Take(key K, now time.Time) (wait time.Duration) {
	reservation := r.bucket(key).ReserveN(now, 1)
	if wait = reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// Wait is how long until the key's bucket has one; it takes none.
func (r *Rate[K]) Wait(key K, now time.Time) time.Duration {
	reservation := r.bucket(key).ReserveN(now, 1)
	defer reservation.CancelAt(now)
	return reservation.DelayFrom(now)
}

func (r *Rate[K]) bucket(key K) *rate.Limiter {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, ok := r.buckets.Get(key); ok {
		return b.(*rate.Limiter)
	}
	b := rate.NewLimiter(r.perSecond, r.burst)
	r.buckets.Add(key, b)
	return b
}
