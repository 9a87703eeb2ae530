package wake

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// lingerFor is how long after the last connection a session still counts as visited,
	// so that a page's many short requests are one visit.
	lingerFor = 3 * time.Second
	// retryAfter is the pause after a write that failed.
	retryAfter = 500 * time.Millisecond
	// echoWithin is how long a wake that was written may take to come back by the
	// watch. It is rewritten then: another replica's late write may have taken its
	// place.
	echoWithin = 5 * time.Second
)

// presence is who is connected to a session.
type presence struct {
	// connections counts open ones; waiting counts those of them that still wait
	// for the desktop.
	connections, waiting int
	// watching counts those on which a person's input is seen.
	watching int
	// looking counts those of people who only look.
	looking int
	// left is when the last visitor went.
	left time.Time
	// rested is the latest sleep or doze that a visitor knew of when coming, asked when the
	// first such visitor came; came is false before the first of all.
	rested, asked time.Time
	came          bool
}

// state is what was written for a session since its first connection.
type state struct {
	// reported is when it was last reported as visited, retry when the next write may be
	// tried after one that failed.
	reported, retry time.Time
	// stamp is the last wake's time on record, woke when its write was done.
	stamp, woke time.Time
	// watched is when it was last written that input is watched.
	watched time.Time
}

// step is what to do now.
type step struct {
	// write is what to write; nil is nothing. asked is when its wake was asked for.
	write *record.Activity
	asked time.Time
	// end says that nobody has been connected for lingerFor.
	end bool
	// again is when the next step is due if nothing changes before.
	again time.Time
}

// next decides what is written for a session: a wake as soon as somebody waits for the
// sleeping or dozing desktop, and a report each reportInterval while anybody is connected, or
// each reportEvery while all of them only look.
func next(now time.Time, s *v1alpha1.VDISession, p presence, st state) step {
	a, open := record.Activity{Connected: now}, p.connections > 0
	if !open {
		a.Connected = p.left
		if now.Sub(p.left) >= lingerFor {
			return onlooked(now, p, st)
		}
	}
	due := st.reported.Add(reportInterval(s))
	asked, waits := wanted(now, s, p)
	rests := lifecycle.Asleep(s) || lifecycle.Dozing(s)
	if waits && rests && !st.woken(now, s) {
		due = now
		// A wake counts only when it is later than the sleep, or the doze.
		a.Wake = record.After(now, &metav1.MicroTime{Time: lifecycle.Rested(s)})
	}
	if unwatched(now, s, p, st) {
		due = now
		a.Watched = record.After(now, s.Status.StartTime)
	}
	if due.Before(st.retry) {
		due = st.retry
	}
	if !due.After(now) {
		return step{write: &a, asked: asked}
	}
	if rests {
		due = earlier(due, st.woke.Add(echoWithin), now)
	}
	if !open {
		due = earlier(due, p.left.Add(lingerFor), now)
	}
	return step{again: due}
}

// onlooked is next while nobody is connected who may do more than look: what is written says when
// the last of those left, and keeps nothing awake.
func onlooked(now time.Time, p presence, st state) step {
	if p.looking == 0 {
		return step{end: true}
	}
	due := st.reported.Add(reportEvery)
	if p.left.After(st.reported) {
		due = now
	}
	if due.Before(st.retry) {
		due = st.retry
	}
	if !due.After(now) {
		return step{write: &record.Activity{Connected: p.left}}
	}
	return step{again: due}
}

// wanted says since when somebody who may wake the sleeping desktop has waited for it, if
// anybody does. Connections that were served when it fell asleep are about to end and do not
// count, nor do those whose visits its sleep ended.
func wanted(now time.Time, s *v1alpha1.VDISession, p presence) (asked time.Time, is bool) {
	switch {
	case lifecycle.PoweredOff(s) || s.DeletionTimestamp != nil:
		return time.Time{}, false
	case !p.rested.Before(lifecycle.Rested(s)):
		return p.asked, true // a visitor of a page is gone once the page is sent, but wants the desktop
	}
	return now, p.waiting > 0 && !lifecycle.EndsVisits(s)
}

// unwatched says that input of the awake desktop is seen on a connection, and nothing has
// recorded yet that anything watches.
func unwatched(now time.Time, s *v1alpha1.VDISession, p presence, st state) bool {
	woke := s.Status.StartTime
	return p.watching > 0 && woke != nil && !lifecycle.Asleep(s) && !st.watched.After(woke.Time) && !watched(now, s)
}

// watched says that something that sees input has been recorded since the desktop woke, as
// far as the record can be believed at now.
func watched(now time.Time, s *v1alpha1.VDISession) bool {
	woke, a := s.Status.StartTime, s.Status.Activity
	return woke != nil && a != nil && lifecycle.Credible(a.LastWatchedTime, now).After(woke.Time)
}

// woken says that a wake was asked for since the last sleep, or the doze: by anybody as far as the
// record shows, or by us so lately that the record may not show it yet.
func (st state) woken(now time.Time, s *v1alpha1.VDISession) bool {
	return lifecycle.Called(s, now) || st.stamp.After(lifecycle.Rested(s)) && now.Sub(st.woke) < echoWithin
}

// wrote is the state once a write that began and ended then has succeeded.
func (st state) wrote(a *record.Activity, began, ended time.Time) state {
	st.reported = began
	if !a.Wake.IsZero() {
		st.stamp, st.woke = a.Wake, ended
	}
	if !a.Watched.IsZero() {
		st.watched = a.Watched
	}
	return st
}

// failed is the state after a write that failed then.
func (st state) failed(ended time.Time) state {
	st.retry = ended.Add(retryAfter)
	return st
}

// earlier is the sooner of due and other, of those that are still to come.
func earlier(due, other, now time.Time) time.Time {
	if other.After(now) && other.Before(due) {
		return other
	}
	return due
}
