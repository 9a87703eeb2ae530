// Package standin is a viewer of a Selkies 1.6 that stands in for a person's client which is
// still to come. Selkies 1.6.2 sleeps 2 s at a time, and answers nobody meanwhile, whenever no
// viewer is registered (v1.6.2, __main__.py:533-552); with one it builds its stream and offers it.
//
// It promises that a client that comes gets all that the desktop has said, once and in order,
// and the socket itself; that it keeps no more, and for no longer, than it was told; and that it
// takes nobody's place: a desktop that has a viewer refuses it. It reads nothing of what the desktop
// says but the first word.
package standin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/org/vdi-operator/pkg/agentapi"
)

// lingerFor is how long nobody may want the stand-in before it gives its place back: a page that
// loses its activator is at another one within that.
const lingerFor = 3 * time.Second

// Options are what a Keeper needs to know.
type Options struct {
	// Ports are where the desktop may listen on the loopback interface, best first.
	Ports []uint16
	// Standing is called with each change of whether a client may take the places; never at once with
	// itself.
	Standing func(bool)
	Log      *slog.Logger
}

// Keeper keeps at most one stand-in, which is one viewer's two sockets.
type Keeper struct {
	Options
	// dialing lets one socket at a time wait for the desktop's port.
	dialing sync.Mutex

	mu  sync.Mutex
	now *viewer
	// standing is what Standing was told.
	standing bool
	// passing are the sockets that clients have taken.
	passing sync.WaitGroup
}

// viewer is one stand-in. All but its peers' own is guarded by the Keeper's lock.
type viewer struct {
	agentapi.StandIn
	peers []*peer
	stop  context.CancelFunc
	// wanted counts the requests for it, and leaving runs while there is none.
	wanted  int
	leaving *time.Timer
	// bound is its time, once the desktop has taken it.
	bound *time.Timer
	// over is closed with its end.
	over chan struct{}
	end  agentapi.End
}

// New makes a Keeper.
func New(o Options) *Keeper { return &Keeper{Options: o} }

// Stand stands in until that is over, or ctx ends. Who asks while somebody does waits for the
// same end.
func (k *Keeper) Stand(ctx context.Context, order agentapi.StandIn) (end agentapi.End, err error) {
	v := k.enter(order)
	defer k.leave(v)
	select {
	case <-v.over:
		return v.end, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (k *Keeper) enter(order agentapi.StandIn) *viewer {
	k.mu.Lock()
	defer k.mu.Unlock()
	v := k.now
	if v == nil {
		ctx, stop := context.WithCancel(context.Background())
		v = &viewer{StandIn: order, stop: stop, over: make(chan struct{})}
		for _, uid := range []string{videoPeer, audioPeer} {
			v.peers = append(v.peers, newPeer(ctx, k, v, uid))
		}
		k.now = v
		go k.run(v)
	}
	v.wanted++
	if v.leaving != nil {
		v.leaving.Stop()
	}
	return v
}

func (k *Keeper) leave(v *viewer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v.wanted--; v.wanted == 0 {
		v.leaving = time.AfterFunc(lingerFor, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			if v.wanted == 0 {
				v.stop()
			}
		})
	}
}

// run serves a stand-in until each of its places is taken, refused or given back.
func (k *Keeper) run(v *viewer) {
	var running sync.WaitGroup
	for _, p := range v.peers {
		running.Go(p.run)
	}
	running.Wait()
	v.stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	v.end = agentapi.EndGivenBack
	for _, p := range v.peers {
		switch is := p.is(); {
		case is == taken, is == refused && v.end != agentapi.EndTaken:
			v.end = map[state]agentapi.End{taken: agentapi.EndTaken, refused: agentapi.EndRefused}[is]
		}
	}
	if v.bound != nil {
		v.bound.Stop()
	}
	k.now = nil
	close(v.over)
	k.Log.Info("the stand-in viewer ended", "end", v.end)
}

// changed follows a change of a peer's state.
func (k *Keeper) changed(v *viewer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	stands, all := false, true // a client comes for both, and the desktop would refuse it what is not there
	for _, p := range v.peers {
		is := p.is()
		stands, all = stands || is == standing, all && (is == standing || is == taken)
	}
	if stands && v.bound == nil {
		v.bound = time.AfterFunc(time.Duration(v.Milliseconds)*time.Millisecond, v.stop)
	}
	stands = stands && all
	if stands != k.standing {
		k.standing = stands
		k.Standing(stands)
	}
}

// take gives the place of a peer to a client that says that HELLO; nil where there is none to give.
// Who gets one calls passing.Done.
func (k *Keeper) take(h hello) *peer {
	k.mu.Lock()
	v := k.now
	if v == nil {
		k.mu.Unlock()
		return nil
	}
	k.passing.Add(1) // before its end can be waited for
	k.mu.Unlock()
	for _, p := range v.peers {
		switch {
		case p.uid != h.uid:
		case h.meta != nil && *h.meta != v.meta():
			// The desktop has set itself up for another screen: the client registers itself. Of its
			// two sockets both begin anew, or the desktop's sound would not.
			v.stop()
		case p.take():
			return p
		}
	}
	k.passing.Done()
	return nil
}

// Stop gives the place back, and returns once the last socket that a client took has ended.
func (k *Keeper) Stop() {
	k.mu.Lock()
	v := k.now
	if v != nil {
		v.stop()
	}
	k.mu.Unlock()
	if v != nil {
		<-v.over
	}
	k.passing.Wait()
}
