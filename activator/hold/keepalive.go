package hold

import (
	"time"

	"github.com/gobwas/ws"

	"github.com/org/vdi-operator/activator/closing"
)

const (
	// pingEvery keeps proxies on the way from closing a silent connection, and finds
	// clients that are gone: pingsMissed in a row.
	pingEvery   = 20 * time.Second
	pingsMissed = 3
	// idleAfter is when a relayed connection counts as idle, in pings.
	idleAfter = 3
	// ours marks our pings: their answers do not go to the desktop.
	ours = "vdi"
)

// keepalive is a connection's clock, guarded by the connection's lock.
type keepalive struct {
	timer *time.Timer
	next  time.Time
	// until is when holding ends.
	until time.Time
	// heard is the reader's count at the last ping, silent the pings in a row after
	// which it was the same, and quiet those between which nothing was said.
	heard         uint32
	silent, quiet int
	// mute are those since a desktop is talked to that has said nothing yet.
	mute int
	idle bool
}

func (k *keepalive) held(d time.Duration) {
	k.until = time.Now().Add(d)
	k.arm(true)
}

func (k *keepalive) arm(held bool) {
	next := time.Until(k.next)
	if held {
		next = min(next, time.Until(k.until))
	}
	k.timer.Reset(next)
}

func (k *keepalive) stop() {
	if k.timer != nil {
		k.timer.Stop()
	}
}

// beat starts the clock.
func (c *Conn) beat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := &c.keepalive
	k.next = time.Now().Add(pingEvery)
	// tick cannot run before timer is set: the lock is ours.
	k.timer = time.AfterFunc(pingEvery, c.tick)
	k.held(c.opts.Limits.HoldTime)
}

// tick pings the client, and ends what has lasted too long.
func (c *Conn) tick() {
	if c.due() {
		c.out.SendNow(ws.OpPing, []byte(ours))
	}
}

// due says that it is time to ping.
func (c *Conn) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := &c.keepalive
	if c.end != nil {
		return false
	}
	now := time.Now()
	if c.phase == waiting && !now.Before(k.until) {
		if c.refused != nil {
			c.endLocked(c.refused.Ending())
		} else {
			c.endLocked(closing.HoldTimeout.Ending())
		}
		return false
	}
	ping := !now.Before(k.next)
	if ping {
		k.next = now.Add(pingEvery)
		if reads := c.in.Reads(); reads != k.heard {
			k.heard, k.silent = reads, 0
		} else if k.silent++; k.silent >= pingsMissed {
			c.endLocked(&left{err: errSilent})
			return false
		}
		if !c.rest() {
			return false
		}
	}
	k.arm(c.phase == waiting)
	return ping
}

// rest counts the pings between which nothing was said on a relayed connection;
// false when there were too many.
func (c *Conn) rest() bool {
	k := &c.keepalive
	c.forget()
	if c.spoken.Swap(false) || c.phase != live {
		k.quiet = 0
	} else {
		k.quiet++
	}
	if idle := k.quiet >= idleAfter; idle != k.idle {
		k.idle = idle
		c.opts.Host.Idle(idle)
	}
	if limit := c.opts.Limits.RelayIdle; limit > 0 && time.Duration(k.quiet)*pingEvery >= limit {
		c.endLocked(closing.RelayIdle.Ending(limit))
		return false
	}
	return true
}

// forget settles on a desktop that has said nothing for as long as a client is held: what is
// kept for another one is not kept for ever.
func (c *Conn) forget() {
	k := &c.keepalive
	if c.phase != live || c.settled {
		k.mute = 0
		return
	}
	if k.mute++; time.Duration(k.mute)*pingEvery > c.opts.Limits.HoldTime {
		c.settle()
	}
}
