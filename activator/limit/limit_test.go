package limit

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/closing"
)

func key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "desktops", Name: name}
}

func expectReached(t *testing.T, err error, want *closing.Refusal, number string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), number) {
		t.Errorf("err = %v, want %s with its number %s", err, want, number)
	}
}

func TestALimitKeepsOutUntilAPlaceIsGivenBack(t *testing.T) {
	h := NewPlaces[types.NamespacedName](Bound{3, closing.ReplicaLimit}, Bound{2, closing.SessionLimit}, prometheus.NewGauge(prometheus.GaugeOpts{}))
	first, err := h.Acquire(key("alice"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Acquire(key("alice")); err != nil {
		t.Fatal(err)
	}
	_, err = h.Acquire(key("alice"))
	expectReached(t, err, closing.SessionLimit, "2")
	if _, err := h.Acquire(key("bob")); err != nil {
		t.Fatalf("one session's limit kept out another: %v", err)
	}
	_, err = h.Acquire(key("carol"))
	expectReached(t, err, closing.ReplicaLimit, "3")
	first()
	first() // a place is given back once
	if _, err := h.Acquire(key("carol")); err != nil {
		t.Fatal(err)
	}
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
	if h.total != 0 || len(h.taken) != 0 {
		t.Errorf("kept: %d, %v", h.total, h.taken)
	}
}
