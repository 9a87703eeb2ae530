package limit

import (
	"testing"
	"time"
)

func TestABurstIsTakenAtOnceAndComesBackByTheSecond(t *testing.T) {
	r := NewRate[string](2, 3)
	now := time.Now()
	for range 3 {
		if wait := r.Take("ada", now); wait != 0 {
			t.Fatalf("refused within the burst: %s", wait)
		}
	}
	for range 5 { // a refusal costs nothing: the wait does not grow
		if wait := r.Take("ada", now); wait != 500*time.Millisecond {
			t.Fatalf("wait %s, want the 500ms that one takes to come back", wait)
		}
	}
	if wait := r.Take("bob", now); wait != 0 {
		t.Errorf("one's rate kept out another: %s", wait)
	}
	now = now.Add(500 * time.Millisecond)
	if wait := r.Take("ada", now); wait != 0 {
		t.Errorf("still refused after the wait: %s", wait)
	}
	if wait := r.Take("ada", now); wait == 0 {
		t.Error("two came back where one was due")
	}
}

func TestTheNumberOfBucketsIsBounded(t *testing.T) {
	r := NewRate[int](1, 1)
	now := time.Now()
	for key := range 2 * maxBuckets {
		r.Take(key, now)
	}
	if n := r.buckets.Len(); n != maxBuckets {
		t.Errorf("%d buckets are kept, want %d", n, maxBuckets)
	}
	if wait := r.Take(2*maxBuckets-1, now); wait == 0 {
		t.Error("the latest key was forgotten")
	}
}
