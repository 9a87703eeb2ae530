package lifecycle

import "time"

// Listening is when reports of activity were received: silence says something only of the
// time in which somebody listened. All times are the deciding replica's.
type Listening struct {
	// Began is when the replica began to decide. The reports from before it may not have
	// arrived.
	Began time.Time
	// Returned is when activators came back after there had been none; zero is never.
	Returned time.Time
	// Heard is until when activators are known to have listened; zero is never.
	Heard time.Time
	// Nobody says that no activator listens now.
	Nobody bool
}

const (
	// reportsWithin is how soon everybody who is connected is reported once reports arrive:
	// activators report every 20 seconds and take up to 10 to write. Where a timeout is
	// shorter, they report several times within it.
	reportsWithin = 30 * time.Second
	// heardAgain is the pause before an activator is asked for again that has not been heard
	// since a timeout ran out: they make themselves heard every ten seconds.
	heardAgain = 5 * time.Second
)

// due is when silence since from has been listened to for as long as the timeout, and so is
// absence; zero is not as long as nobody listens.
//
// Activators that come back have no connections yet: everybody gets the whole timeout to
// connect again. Those that were there while the operator was not have them all.
func (l *Listening) due(now, from time.Time, timeout time.Duration) time.Time {
	at := from.Add(timeout)
	if l == nil {
		return at
	}
	if l.Nobody {
		return time.Time{}
	}
	at = latest(at, l.Began.Add(min(timeout, reportsWithin)), l.Returned.Add(timeout))
	if at.After(l.Heard) && !at.After(now) {
		// All of them may be gone since, without anybody having noticed yet.
		at = now.Add(heardAgain)
	}
	return at
}
