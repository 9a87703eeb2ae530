package listening

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/org/vdi-operator/pkg/config"
)

// said is the condition as it was last set, and how often every session was looked at.
type said struct {
	mu                      sync.Mutex // guards all
	status, reason, message string
	looked                  int
}

func (s *said) Set(_ string, status metav1.ConditionStatus, reason, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.reason, s.message = string(status), reason, message
}

func (s *said) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked++
}

// is waits until all is said, and compares.
func (s *said) is(t *testing.T, status, reason string, looked int, says string) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Equal(t, []any{status, reason, looked}, []any{s.status, s.reason, s.looked}, "status, reason, times that every session was looked at")
	assert.Contains(t, s.message, says)
}

// settling runs the part of a Watch that no API server is needed for.
func settling(t *testing.T, test func(t *testing.T, w *Watch, s *said)) {
	synctest.Test(t, func(t *testing.T) {
		s := &said{}
		w := &Watch{Installation: config.Installation{Name: "vdi", Namespace: "vdi-system"}, Record: NewRecord(time.Now()),
			Conditions: s, Returned: s.look, Now: time.Now, changed: make(chan struct{}, 1)}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.settle(ctx)
		}()
		test(t, w, s)
		end()
		<-ended
	})
}

// held is a's Lease, renewed at that time.
func held(at time.Time) *coordinationv1.Lease {
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "vdi-system", Name: "a"}}
	l.Spec.RenewTime = &metav1.MicroTime{Time: at}
	return l
}

func TestTheOperatorSaysThatNobodyListensAndLooksAgainWhenSomebodyDoes(t *testing.T) {
	settling(t, func(t *testing.T, w *Watch, s *said) {
		w.OnAdd(held(time.Now()), true)
		time.Sleep(Lapse - time.Second)
		s.is(t, "", "", 0, "") // it cannot be known yet
		time.Sleep(settleEvery + 2*time.Second)
		s.is(t, "False", "NobodyListens", 0, "label vdi.kasm.io/activator-of=vdi in namespace vdi-system")
		w.OnUpdate(nil, held(time.Now()))
		s.is(t, "True", "Listening", 1, "")
		w.OnDelete(toolscache.DeletedFinalStateUnknown{Key: "vdi-system/a"})
		s.is(t, "False", "NobodyListens", 1, "")
		time.Sleep(time.Second)
		w.OnAdd(held(time.Now()), false)
		s.is(t, "True", "Listening", 2, "")
		time.Sleep(Lapse + settleEvery)
		s.is(t, "False", "NobodyListens", 2, "")
		w.OnUpdate(nil, held(time.Now()))
		s.is(t, "True", "Listening", 3, "")
		time.Sleep(time.Second)
		w.Record.Gone("a") // and back between two looks
		w.OnUpdate(nil, held(time.Now()))
		s.is(t, "True", "Listening", 4, "")
	})
}

func TestTheOperatorSaysThatItMayNotReadLeases(t *testing.T) {
	settling(t, func(t *testing.T, w *Watch, s *said) {
		refused := apierrors.NewForbidden(schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}, "", errors.New("no right"))
		time.Sleep(Lapse)
		w.fail(fmt.Errorf("failed to list: %w", refused))
		time.Sleep(settleEvery + time.Second)
		s.is(t, "False", "Forbidden", 0, "give the operator's service account list and watch of leases in namespace vdi-system")
		time.Sleep(failsFor + settleEvery) // somebody has given it
		s.is(t, "False", "NobodyListens", 0, "")
	})
}
