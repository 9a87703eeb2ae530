package limit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestABurstIsTakenAtOnceAndComesBackByTheSecond(t *testing.T) {
	r := NewRate[string](2, 3)
	now := time.Now()
	for range 3 {
		require.EqualValues(t, 0, r.Take("ada", now), "refused within the burst")
	}
	for range 5 { // a refusal costs nothing: the wait does not grow
		require.Equal(t, 500*time.Millisecond, r.Take("ada", now), "wait, want the 500ms that one takes to come back")
	}
	assert.EqualValues(t, 0, r.Take("bob", now), "one's rate kept out another")
	now = now.Add(500 * time.Millisecond)
	assert.EqualValues(t, 0, r.Take("ada", now), "still refused after the wait")
	assert.NotEqualValues(t, 0, r.Take("ada", now), "two came back where one was due")
}

func TestTheNumberOfBucketsIsBounded(t *testing.T) {
	r := NewRate[int](1, 1)
	now := time.Now()
	for key := range 2 * maxBuckets {
		r.Take(key, now)
	}
	assert.Equal(t, maxBuckets, r.buckets.Len(), "buckets are kept")
	assert.NotEqualValues(t, 0, r.Take(2*maxBuckets-1, now), "the latest key was forgotten")
}
