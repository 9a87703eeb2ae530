package probe

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/org/vdi-operator/activator/directory"
)

func TestWhoOnlyLooksTakesNoConnectionFromWhoWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, _ *directory.Directory, p *port) {
		looked := make(chan error, 3)
		tell := func(err error) { looked <- err }
		r.AwaitAccept(visit, tell) // a page comes before the sockets of its frame
		var got told
		r.Await(visit, got.tell)
		r.AwaitAccept(visit, tell)
		gone := r.AwaitAccept(visit, func(error) { t.Error("told although it left") })
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
			if err := <-looked; err != nil {
				t.Error(err)
			}
		}
		r.AwaitAccept(visit, tell) // alone, at a desktop that is there
		synctest.Wait()
		time.Sleep(eagerPause)
		synctest.Wait()
		if err := <-looked; err != nil {
			t.Error(err)
		}
		if _, open := p.counts(); open != 1 {
			t.Errorf("%d connections are open, want the one that was given", open)
		}
	})
}
