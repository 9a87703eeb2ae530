package probe

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/org/vdi-operator/activator/directory"
)

func TestWhoWantsNoConnectionTakesNoneFromWhoWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, _ *directory.Directory, p *port) {
		accepted := make(chan error, 3)
		done := func(err error) { accepted <- err }
		r.AwaitAccept(visit, done) // a page comes before the sockets of its frame
		var got results
		r.Await(visit, got.done)
		r.AwaitAccept(visit, done)
		gone := r.AwaitAccept(visit, func(error) { t.Error("done was called although it left") })
		time.Sleep(time.Second)
		gone()
		p.set(func(p *port) { p.accepts, p.dials = true, 0 })
		time.Sleep(eagerPause)
		synctest.Wait()
		dials, open := p.counts()
		if len(got.conns) != 1 || open != 1 || dials != 1 {
			t.Errorf("%d connections of %d dials were given, want the first", len(got.conns), dials)
		}
		for range 2 {
			assert.NoError(t, <-accepted)
		}
		r.AwaitAccept(visit, done) // alone, at a desktop that is there
		synctest.Wait()
		time.Sleep(eagerPause)
		synctest.Wait()
		assert.NoError(t, <-accepted)
		if _, open := p.counts(); open != 1 {
			t.Errorf("%d connections are open, want the one that was given", open)
		}
	})
}
