package reach

import "time"

const (
	// eagerPause is the pause between attempts at a desktop that has just got its
	// address: a refused connection costs some 30 µs, and nobody waits 5 ms in vain.
	eagerPause = 5 * time.Millisecond
	// steadyPause and patientPause follow after eagerFor and after steadyFor: a
	// desktop that takes seconds to start is found within a hundredth of that.
	steadyPause, eagerFor   = 20 * time.Millisecond, 3 * time.Second
	patientPause, steadyFor = 50 * time.Millisecond, 30 * time.Second
	// betweenDesktops spreads the attempts where many desktops start at once: no
	// more than 10,000 a second in all, a third of a processor.
	betweenDesktops = 100 * time.Microsecond
	// eagerTimeout and dialTimeout bound one attempt; a refused one returns at once.
	// A network that does not know the pod yet drops the first packet, and the kernel
	// repeats it only after a second: a new attempt is faster.
	eagerTimeout, dialTimeout = 250 * time.Millisecond, time.Second
)

// pause is the time between two attempts at a desktop whose address has been known
// for so long, while that many desktops are dialled.
func pause(known time.Duration, desktops int64) time.Duration {
	between := patientPause
	switch {
	case known < eagerFor:
		between = eagerPause
	case known < steadyFor:
		between = steadyPause
	}
	return max(between, time.Duration(desktops)*betweenDesktops)
}

// timeout bounds one attempt at such a desktop.
func timeout(known time.Duration) time.Duration {
	if known < eagerFor {
		return eagerTimeout
	}
	return dialTimeout
}
