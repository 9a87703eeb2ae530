package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/activator/closing"
	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const crowd = 5000

// port is a desktop's port as the test wants it to be.
type port struct {
	mu      sync.Mutex
	accepts bool
	// hangs makes attempts take as long as they may.
	hangs bool
	dials int
	open  int
}

func (p *port) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials++
	if p.hangs {
		p.mu.Unlock()
		<-ctx.Done()
		p.mu.Lock()
		return nil, ctx.Err()
	}
	if !p.accepts {
		return nil, syscall.ECONNREFUSED
	}
	p.open++
	return &conn{port: p}, nil
}

func (p *port) set(change func(*port)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *port) counts() (dials, open int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials, p.open
}

type conn struct {
	net.Conn
	port   *port
	closed atomic.Bool
}

func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return errors.New("closed twice")
	}
	c.port.set(func(p *port) { p.open-- })
	return nil
}

// results collects what waiters get.
type results struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
	errs  []error
}

func (o *results) done(c net.Conn, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.errs = append(o.errs, err)
		return
	}
	if o.conns == nil {
		o.conns = map[net.Conn]bool{}
	}
	o.conns[c] = true
}

// inBubble runs a test with a clock of its own and a port that the test controls.
func inBubble(t *testing.T, test func(t *testing.T, r *Prober, d *directory.Directory, p *port)) {
	synctest.Test(t, func(t *testing.T) {
		p := &port{}
		r, d := newProber(awake(), p.dial)
		d.SetPod(podAt(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8080}))
		test(t, r, d, p)
		synctest.Wait()
		require.Equal(t, 0, len(r.dialers))
		assert.EqualValues(t, 0, r.probing.Load(), "dialers and probed desktops are left")
	})
}

func TestACrowdCostsTheDialsOfOneAndEachGetsItsConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, _ *directory.Directory, p *port) {
		var got results
		for range crowd {
			r.Await(visit, got.done)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		dials, _ := p.counts()
		assert.LessOrEqual(t, dials, int(time.Second/eagerPause)+1, "dials in a second")
		p.set(func(p *port) { p.accepts, p.dials = true, 0 })
		time.Sleep(eagerPause)
		synctest.Wait()
		dials, open := p.counts()
		if len(got.conns) != crowd || len(got.errs) != 0 {
			t.Errorf("%d connections and %d errors for %d visitors", len(got.conns), len(got.errs), crowd)
		}
		if open != crowd || dials > crowd+dialsAtOnce {
			t.Errorf("%d dials, of which %d are open, for %d visitors", dials, open, crowd)
		}
	})
}

func TestADesktopThatTakesLongIsDialledLessOften(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, _ *directory.Directory, p *port) {
		cancel := r.Await(visit, func(net.Conn, error) {})
		time.Sleep(time.Minute)
		p.set(func(p *port) { p.dials = 0 })
		time.Sleep(time.Second)
		synctest.Wait()
		dials, _ := p.counts()
		assert.LessOrEqual(t, dials, int(time.Second/patientPause)+1, "dials in a second, want %d at most", time.Second/patientPause)
		cancel()
	})
}

func TestADesktopThatSaysThatItListensIsDialledAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, d *directory.Directory, p *port) {
		var got results
		r.Await(visit, got.done)
		time.Sleep(time.Minute + patientPause/2)
		p.set(func(p *port) { p.accepts = true })
		synctest.Wait()
		require.Empty(t, got.conns, "it was dialled just now anyway")
		err := d.Announce(alice, directory.Announcement{Pod: "p", Address: netip.MustParseAddr("10.0.0.1"), Listening: true})
		require.NoError(t, err)
		synctest.Wait()
		assert.Len(t, got.conns, 1, "not reached at once")
	})
}

func TestManyDesktopsThatStartAtOnceShareTheDials(t *testing.T) {
	assert.Equal(t, eagerPause, pause(0, 1), "alone")
	assert.Equal(t, 100*time.Millisecond, pause(0, 1000), "among a thousand")
}

func TestADesktopThatTakesLongToStartIsFoundBeforeItsLoopSleeps(t *testing.T) {
	// Selkies 1.6.2's first sleep comes so long after its port listens (test/desktop).
	const window = 9 * time.Millisecond
	for _, known := range []time.Duration{0, 5 * time.Second, 30 * time.Second} {
		assert.Less(t, pause(known, 1), window, "%s after its address is known, a desktop is tried every", known)
	}
}

func TestAPacketThatIsDroppedIsNotWaitedFor(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, _ *directory.Directory, p *port) {
		p.hangs = true
		var got results
		r.Await(visit, got.done)
		time.Sleep(time.Millisecond)
		p.set(func(p *port) { p.hangs, p.accepts = false, true })
		time.Sleep(eagerTimeout + eagerPause)
		synctest.Wait()
		assert.Len(t, got.conns, 1, "not reached")
	})
}

func TestANewAddressIsDialledThoughTheOldOneHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, d *directory.Directory, p *port) {
		p.hangs = true
		var got results
		r.Await(visit, got.done)
		synctest.Wait()
		p.set(func(p *port) { p.hangs, p.accepts = false, true })
		next := podAt(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 8080})
		next.UID, next.Name = "q", "q"
		d.SetPod(next)
		synctest.Wait()
		assert.Len(t, got.conns, 1, "not reached at once")
	})
}

func TestAPortThatAcceptsAndClosesIsDialledOncePerVisitor(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, _ *directory.Directory, p *port) {
		p.accepts = true
		for range 100 {
			r.Await(visit, func(c net.Conn, _ error) { _ = c.Close() })
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if dials, open := p.counts(); dials > 100+dialsAtOnce || open != 0 {
			t.Errorf("%d dials for 100 visitors, %d connections left open", dials, open)
		}
	})
}

func TestAllWhoWaitLearnAtOnceThatItIsInVain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, d *directory.Directory, p *port) {
		var hopeful, hopeless results
		later := visit
		later.Slept = noon.Add(2 * time.Hour)
		for range crowd {
			r.Await(visit, hopeless.done)
			r.Await(later, hopeful.done)
		}
		p.set(func(p *port) { p.hangs = true }) // an attempt under way delays nobody
		time.Sleep(time.Second / 2)
		d.SetSession(asleep(noon.Add(time.Hour), lifecycle.ReasonIdle))
		synctest.Wait()
		if len(hopeless.errs) != crowd || len(hopeful.errs) != 0 {
			t.Errorf("%d of %d got an error, and %d who knew of that sleep", len(hopeless.errs), crowd, len(hopeful.errs))
		}
		d.DropSession(alice)
		synctest.Wait()
		if len(hopeful.errs) != crowd || !errors.Is(hopeful.errs[0], closing.Gone) {
			t.Errorf("%d of %d heard that it is gone", len(hopeful.errs), crowd)
		}
		var stranger results
		r.Await(visit, stranger.done)
		synctest.Wait()
		assert.Len(t, stranger.errs, 1, "who came to a session that is gone waits")
	})
}

func TestWhoLeavesIsNotToldAndLeavesNothingBehind(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, _ *directory.Directory, p *port) {
		var stays, leaves results
		var cancels []func()
		for range crowd {
			cancels = append(cancels, r.Await(visit, leaves.done))
		}
		r.Await(visit, stays.done)
		time.Sleep(time.Second)
		for _, cancel := range cancels {
			cancel()
			cancel() // leaving twice is leaving once
		}
		p.set(func(p *port) { p.accepts = true })
		time.Sleep(time.Second)
		synctest.Wait()
		if len(leaves.conns)+len(leaves.errs) != 0 || len(stays.conns) != 1 {
			t.Errorf("%d who had left got something, %d who stayed", len(leaves.conns)+len(leaves.errs), len(stays.conns))
		}
		_, open := p.counts()
		assert.Equal(t, 1, open, "connections are open, want that of who stayed")
	})
}

func TestADialThatEndsAsItIsCancelledLeaksNoConnection(t *testing.T) {
	for range 200 {
		inBubble(t, func(t *testing.T, r *Prober, _ *directory.Directory, p *port) {
			p.accepts = true
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			if c, err := r.Dial(ctx, visit); err == nil {
				_ = c.Close()
			}
			synctest.Wait()
			_, open := p.counts()
			require.Equal(t, 0, open, "a connection is left open")
		})
	}
}

func TestWebSocketsAreConnectedBeforeThePlainRequestsThatCameFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Prober, _ *directory.Directory, p *port) {
		var mu sync.Mutex
		var order []string
		var gave []time.Time
		done := func(who string) func(net.Conn, error) {
			return func(net.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				order, gave = append(order, who), append(gave, time.Now())
			}
		}
		request := func() {
			_, err := r.Dial(t.Context(), visit)
			assert.NoError(t, err)
			done("font")(nil, nil)
		}
		for range 4 { // fonts, which the page loads before its script opens the sockets
			go request()
		}
		synctest.Wait()
		for range 2 {
			r.Await(visit, done("socket"))
		}
		time.Sleep(time.Second)
		p.set(func(p *port) { p.accepts = true })
		time.Sleep(eagerPause + behindSockets)
		synctest.Wait()
		require.Equal(t, "socket socket font font font font", strings.Join(order, " "), "order")
		if wait := gave[2].Sub(gave[1]); wait < behindSockets-eagerPause || wait > behindSockets {
			t.Errorf("the first font waited for %s behind the sockets", wait)
		}
		// That is for a desktop that has just come: sockets that ask again and again, as at
		// a web server whose desktop is not there yet, keep nobody waiting.
		began := time.Now()
		asks := true
		var again func(net.Conn, error)
		again = func(net.Conn, error) {
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if asks {
				r.Await(visit, again)
			}
		}
		r.Await(visit, again)
		request()
		assert.LessOrEqual(t, time.Since(began), behindSockets, "a request waited")
		mu.Lock()
		asks = false
		mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
	})
}
