// Package chaos does to a running VDI Operator, in an order that a seed gives, what happens to
// one: visits, edits, refusals, lost nodes, programs that are killed and paused. It promises
// that a failure comes with its seed and the shortest list of steps that it could find.
//
// The API server, etcd and Kubernetes' own controllers are real, and so are the operators and
// the activators. Played are scheduler and kubelet (nodes.go), visitors with their browsers
// (visitor.go) and administrators (steps_*.go). What must hold is in the ledger's files, one an
// invariant, which know nothing of the steps but what they excuse.
//
// A run is a row of rounds. Each begins with namespaces of its own, takes its steps, heals what
// they broke, and then wants every visit served, nothing written, and everything gone.
package chaos

import (
	"fmt"
	"time"
)

const (
	// settle is how much later an event of another kind than sessions may be seen.
	settle = 2 * time.Second
	// servedWithin is how long after all is well again a visit may take. A leader that was
	// killed keeps its Lease for 15 s, Kubernetes tries what a quota refused again after as
	// long as it was refused, and reflectors come back after half a minute at most.
	servedWithin = 75 * time.Second
	// goneWithin is how long a deletion may take then. Kubernetes' garbage collector looks every half
	// minute what kinds there are, and collects nothing while it reads them anew: an API server that
	// has just come back shows it those of definitions one after the other.
	goneWithin = 3 * time.Minute
)

// Violation is a promise that was seen broken.
type Violation struct {
	// Invariant names the promise.
	Invariant string
	At        time.Time
	// Session is whose, by namespace and name; empty where it is nobody's.
	Session, What string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s (seen at %s)", v.Invariant, v.What, v.At.Format("15:04:05.000"))
}

// The invariants.
const (
	OnePodPerHome   = "never two pods on one home"
	NoSleepInUse    = "never put to sleep while in use"
	NoRestartInUse  = "never restarted in use"
	VisitsAreServed = "every visit is served or refused with a reason"
	DeletionsEnd    = "a deletion ends"
	QuietAtRest     = "nothing is written at rest"
	NothingLeaks    = "nothing is left after many lives"
)
