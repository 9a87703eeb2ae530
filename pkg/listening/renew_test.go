package listening

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	coordinationv1ac "k8s.io/client-go/applyconfigurations/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/config"
)

// kept are Leases as an API server keeps them, which may be away, and what was logged.
type kept struct {
	mu      sync.Mutex // guards all
	away    error
	applied []*coordinationv1ac.LeaseApplyConfiguration
	logged  bytes.Buffer
}

func (k *kept) Apply(_ context.Context, o runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away == nil {
		k.applied = append(k.applied, o.(*coordinationv1ac.LeaseApplyConfiguration))
	}
	return k.away
}

// Write takes a line of the log.
func (k *kept) Write(line []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.logged.Write(line)
}

// after lets time pass, and returns what was applied and logged by then.
func (k *kept) after(d time.Duration) ([]*coordinationv1ac.LeaseApplyConfiguration, string) {
	time.Sleep(d)
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.applied), k.logged.String()
}

func (k *kept) is(away error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away = away
}

// renewing runs a Renewer in a bubble until test returns.
func renewing(t *testing.T, pod Pod, test func(t *testing.T, k *kept)) {
	synctest.Test(t, func(t *testing.T) {
		k := &kept{}
		ctx, end := context.WithCancel(t.Context())
		r := &Renewer{Leases: k, Installation: config.Installation{Name: "vdi", Namespace: "vdi-system"}, Pod: pod,
			Log: slog.New(slog.NewTextHandler(k, nil))}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Run(ctx)
		}()
		test(t, k)
		end()
		<-ended
		before, _ := k.after(0)
		after, _ := k.after(time.Minute)
		assert.Len(t, after, len(before), "renewed after the end")
	})
}

func TestAnActivatorRenewsItsLeaseUntilItEnds(t *testing.T) {
	renewing(t, Pod{Name: "vdi-activator-1", UID: "1-2-3"}, func(t *testing.T, k *kept) {
		applied, log := k.after(Lapse)
		require.GreaterOrEqual(t, len(applied), 3, "in the time in which it lapses")
		l := applied[0]
		assert.Equal(t, "vdi-system/vdi-activator-1", *l.GetNamespace()+"/"+*l.GetName())
		assert.Equal(t, "vdi", l.Labels[Label])
		require.Len(t, l.OwnerReferences, 1)
		assert.Equal(t, "Pod vdi-activator-1 1-2-3", *l.OwnerReferences[0].Kind+" "+*l.OwnerReferences[0].Name+" "+string(*l.OwnerReferences[0].UID))
		assert.EqualValues(t, 30, *l.Spec.LeaseDurationSeconds)
		assert.True(t, applied[1].Spec.RenewTime.After(l.Spec.RenewTime.Time), "the time has not moved on")
		assert.Empty(t, log)
	})
}

func TestALeaseThatCannotBeRenewedIsToldOnceAndTriedAgain(t *testing.T) {
	renewing(t, Pod{Name: "a"}, func(t *testing.T, k *kept) {
		k.is(apierrors.NewForbidden(schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}, "a", errors.New("no right")))
		before, log := k.after(time.Minute)
		assert.Equal(t, 1, strings.Count(log, "cannot be renewed"), log)
		assert.Contains(t, log, "give the activator's service account create and patch of leases")
		k.is(nil)
		applied, log := k.after(renewEvery)
		assert.Greater(t, len(applied), len(before))
		assert.Contains(t, log, "renewed again")
	})
}

func TestAnActivatorThatIsInNoPodSaysWhatThatCosts(t *testing.T) {
	renewing(t, Pod{}, func(t *testing.T, k *kept) {
		applied, log := k.after(time.Minute)
		assert.Empty(t, applied)
		assert.Equal(t, 1, strings.Count(log, "set --pod-name and --pod-uid"), log)
	})
}
