package limit

import (
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
)

func key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "desktops", Name: name}
}

func expectReached(t *testing.T, err error, want *closing.Refusal, number string) {
	t.Helper()
	require.ErrorIs(t, err, want)
	assert.Contains(t, err.Error(), number, "err = %v, want %s with its number %s", err, want, number)
}

func TestALimitKeepsOutUntilAPlaceIsGivenBack(t *testing.T) {
	h := NewPlaces[types.NamespacedName](Bound{3, closing.ReplicaLimit}, Bound{2, closing.SessionLimit}, prometheus.NewGauge(prometheus.GaugeOpts{}))
	first, err := h.Acquire(key("alice"))
	require.NoError(t, err)
	_, err = h.Acquire(key("alice"))
	require.NoError(t, err)
	_, err = h.Acquire(key("alice"))
	expectReached(t, err, closing.SessionLimit, "2")
	_, err = h.Acquire(key("bob"))
	require.NoError(t, err, "one session's limit kept out another")
	_, err = h.Acquire(key("carol"))
	expectReached(t, err, closing.ReplicaLimit, "3")
	first()
	first() // a place is given back once
	_, err = h.Acquire(key("carol"))
	require.NoError(t, err)
	_, err = h.Acquire(key("dave"))
	expectReached(t, err, closing.ReplicaLimit, "3")
}

func TestNothingIsKeptOfSessionsThatHoldNothing(t *testing.T) {
	h := NewPlaces[types.NamespacedName](Bound{}, Bound{100, closing.SessionLimit}, prometheus.NewGauge(prometheus.GaugeOpts{}))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if release, err := h.Acquire(key("alice")); err == nil {
				release()
			}
		})
	}
	wg.Wait()
	require.Equal(t, 0, h.total)
	assert.Empty(t, h.taken, "kept")
}

func TestBytesAreBoundedOfEachAndOfAll(t *testing.T) {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{})
	b := NewBytes[types.NamespacedName](Bound{100, closing.HeldBytes}, Bound{60, closing.HeldBytesPerSession}, 10, gauge)
	alice, bob := b.Of(key("alice")), b.Of(key("bob"))
	require.NoError(t, alice.Take(4), "what is free")
	require.NoError(t, alice.Take(6), "what is free")
	require.NoError(t, bob.Take(3))
	require.NoError(t, bob.Take(7))
	assert.InDelta(t, 0, testutil.ToFloat64(gauge), 0)
	require.NoError(t, alice.Take(60), "all that one may have")
	expectReached(t, alice.Take(1), closing.HeldBytesPerSession, "60")
	require.NoError(t, bob.Take(40), "all that is left")
	expectReached(t, bob.Take(1), closing.HeldBytes, "100")
	assert.InDelta(t, 100, testutil.ToFloat64(gauge), 0)
	require.NoError(t, b.Of(key("alice")).Take(10), "another connection's first bytes, while all is taken")
	alice.ReturnAll()
	alice.ReturnAll()
	require.NoError(t, bob.Take(20))
	bob.Return(15)
	assert.InDelta(t, 45, testutil.ToFloat64(gauge), 0)
	require.NoError(t, bob.Take(15))
	bob.ReturnAll()
	bob.Return(1)
	assert.InDelta(t, 0, testutil.ToFloat64(gauge), 0)
	assert.Empty(t, b.taken, "nothing is kept of who keeps nothing")
}
