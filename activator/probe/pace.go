package probe

import "time"

const (
	// eagerPause is the pause between attempts at a desktop that may listen any moment.
	// A refused connection costs some 30 µs, so a minute of it costs a third of a
	// second. Selkies 1.6.2 begins to sleep 9 ms after it listens where no viewer has
	// said HELLO by then, and a viewer that comes in such a sleep waits for 6 s
	// (test/desktop/README.md, the blocked loop): with 20 ms, every other one would.
	eagerPause, eagerFor = 5 * time.Millisecond, time.Minute
	// patientPause follows: what takes minutes to start is found soon enough.
	patientPause = 50 * time.Millisecond
	// betweenDesktops spreads the attempts where many desktops start at once: no
	// more than 10,000 a second in all, a third of a processor.
	betweenDesktops = 100 * time.Microsecond
	// eagerTimeout and dialTimeout bound one attempt; a refused one returns at once.
	// A network that does not know the pod yet drops the first packet, and the kernel
	// repeats it only after a second: a new attempt is faster, for as long as a
	// network takes to learn of a pod.
	eagerTimeout, dialTimeout = 250 * time.Millisecond, time.Second
	networkFor                = 3 * time.Second
)

// pause is the time between two attempts at a desktop whose address has been known
// for so long, while that many desktops are dialled.
func pause(known time.Duration, desktops int64) time.Duration {
	between := patientPause
	if known < eagerFor {
		between = eagerPause
	}
	return max(between, time.Duration(desktops)*betweenDesktops)
}

// timeout bounds one attempt at such a desktop.
func timeout(known time.Duration) time.Duration {
	if known < networkFor {
		return eagerTimeout
	}
	return dialTimeout
}
