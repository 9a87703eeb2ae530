package thaw

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeapi"
)

// programs answer orders as a test wants.
type programs struct {
	asked  atomic.Int64
	answer func(ctx context.Context, order string) error
}

func (p *programs) Thaw(ctx context.Context, _ netip.AddrPort, order string) error {
	p.asked.Add(1)
	return p.answer(ctx, order)
}

func thawer(t *testing.T, p Programs, change ...func(*config.Limits)) *Thawer {
	t.Helper()
	limits := config.Default().Limits
	for _, f := range change {
		f(&limits)
	}
	thaws := New(p, limits, metrics.NewActivator(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	t.Cleanup(thaws.Stop)
	return thaws
}

// dozing is a session that dozes, with this order on record.
func dozing(name, order string) directory.View {
	now := metav1.NowMicro()
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}}
	s.Status.StartTime = &now
	s.Status.Doze = &v1alpha1.SessionDoze{Since: now, Address: "10.0.0.7:7080", Thaw: order}
	return directory.View{Session: s}
}

func TestAllWhoComeMeanwhileShareAnOrder(t *testing.T) {
	proceed := make(chan struct{})
	p := &programs{answer: func(context.Context, string) error { <-proceed; return nil }}
	thaws, view := thawer(t, p), dozing("ada", "one")
	assert.True(t, thaws.Frozen(view))
	var all sync.WaitGroup
	first := thaws.Ask(view)
	for range 10 {
		tried := thaws.Ask(view)
		all.Go(func() { <-tried })
	}
	close(proceed)
	<-first
	all.Wait()
	assert.EqualValues(t, 1, p.asked.Load())
	assert.False(t, thaws.Frozen(view))
	assert.True(t, thaws.Frozen(dozing("ada", "two")), "it was frozen again")
	assert.True(t, thaws.Frozen(dozing("bob", "one")), "another's is another one")
}

func TestAnOrderThatIsNotObeyedIsGivenAgainAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := true
		p := &programs{answer: func(context.Context, string) error {
			if fails {
				fails = false
				return nodeapi.ErrCannot
			}
			return nil
		}}
		thaws, view := thawer(t, p), dozing("ada", "one")
		<-thaws.Ask(view)
		assert.True(t, thaws.Frozen(view))
		tried := thaws.Ask(view)
		time.Sleep(againAfter - 1)
		synctest.Wait()
		assert.EqualValues(t, 1, p.asked.Load(), "sooner")
		<-tried
		assert.EqualValues(t, 2, p.asked.Load())
		assert.False(t, thaws.Frozen(view))
	})
}

func TestAnOrderThatWasOvertakenIsDone(t *testing.T) {
	thaws, view := thawer(t, &programs{answer: func(context.Context, string) error { return nodeapi.ErrOvertaken }}), dozing("ada", "one")
	<-thaws.Ask(view)
	assert.False(t, thaws.Frozen(view))
}

func TestAProgramThatDoesNotAnswerIsGivenUp(t *testing.T) {
	p := &programs{answer: func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }}
	thaws := thawer(t, p, func(l *config.Limits) { l.ThawTimeout.Duration, l.ThawsAtOnce = 10*time.Millisecond, 1 })
	one, two := thaws.Ask(dozing("ada", "one")), thaws.Ask(dozing("bob", "one"))
	<-one
	<-two
	assert.True(t, thaws.Frozen(dozing("ada", "one")))
	assert.True(t, thaws.Frozen(dozing("bob", "one")), "it has no place, or no answer")
}

func TestARecordWithoutAnOrderIsTheOperators(t *testing.T) {
	p := &programs{answer: func(context.Context, string) error { return errors.New("asked") }}
	thaws, view := thawer(t, p), dozing("ada", "")
	<-thaws.Ask(view)
	assert.Zero(t, p.asked.Load())
	assert.True(t, thaws.Frozen(view))
}

func TestWhatDozesNoLongerIsForgotten(t *testing.T) {
	thaws, view := thawer(t, &programs{answer: func(context.Context, string) error { return nil }}), dozing("ada", "one")
	<-thaws.Ask(view)
	awake := view.Session.DeepCopy()
	awake.Status.Doze = nil
	thaws.Forget(view.Session, awake)
	assert.Empty(t, thaws.thaws)
	assert.False(t, thaws.Frozen(directory.View{Session: awake}))
}
