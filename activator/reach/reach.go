// Package reach connects to a session's desktop as soon as its port accepts.
//
// It dials the pod's own IP from the moment it is known, without waiting for
// readiness, and it gives up only for a reason that a person can read. It wakes
// nothing: see package wake.
package reach

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	// dialTimeout bounds one attempt; a refused one returns at once.
	dialTimeout = time.Second
	// retryEvery is the pause between attempts: short against a container's start,
	// long against what a refused connection costs.
	retryEvery = 20 * time.Millisecond
	// probeTimeout bounds the look of Now, which a page waits for.
	probeTimeout = 250 * time.Millisecond
)

// Reasons why a desktop cannot be reached; errors.Is tells them apart. The error
// text is the sentence for the visitor.
var (
	ErrGone        = errors.New("this session was deleted")
	ErrPoweredOff  = errors.New("this desktop is switched off")
	ErrAsleep      = errors.New("this desktop was put to sleep")
	ErrStartFailed = errors.New("this desktop did not start")
)

// Reacher dials desktops.
type Reacher struct {
	dir    *directory.Directory
	dialer net.Dialer
}

// New makes a Reacher.
func New(dir *directory.Directory) *Reacher { return &Reacher{dir: dir} }

// Visit is who wants to reach a desktop.
type Visit struct {
	Session types.NamespacedName
	// UID is the session's that the visitor was let in to: a later one of the same
	// name is another person's.
	UID types.UID
	// Slept is the last sleep that the visitor knew of when coming; zero is none.
	// Only a later one ends the visit. It is the operator's time, like every time
	// it is compared with, so no two clocks need to agree.
	Slept time.Time
}

// Dial waits until the session's desktop accepts a connection and returns it. It
// returns early when the session is gone or switched off, or was put to sleep by
// a clock after the visitor came.
func (r *Reacher) Dial(ctx context.Context, visit Visit) (net.Conn, error) {
	for {
		view, err := r.view(visit)
		if err != nil {
			return nil, err
		}
		pause := (<-chan time.Time)(nil)
		if addr, ok := address(view); ok {
			if conn, err := r.dial(ctx, addr, dialTimeout); err == nil {
				return conn, nil
			}
			pause = time.After(retryEvery)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-view.Changed:
		case <-pause:
		}
	}
}

// Now says whether the desktop accepts connections at this moment.
func (r *Reacher) Now(ctx context.Context, key types.NamespacedName) bool {
	view, ok := r.dir.View(key)
	if !ok {
		return false
	}
	addr, ok := address(view)
	if !ok {
		return false
	}
	conn, err := r.dial(ctx, addr, probeTimeout)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// Check returns the reason for which the visitor cannot reach the desktop, or nil
// while there is hope.
func (r *Reacher) Check(visit Visit) error {
	_, err := r.view(visit)
	return err
}

func (r *Reacher) view(visit Visit) (directory.View, error) {
	view, ok := r.dir.View(visit.Session)
	if !ok || view.Session.UID != visit.UID || view.Session.DeletionTimestamp != nil {
		return view, ErrGone
	}
	s := view.Session
	if s.Spec.Power == v1alpha1.PowerOff {
		return view, ErrPoweredOff
	}
	if view.Asleep() && s.Status.SleepTime != nil && s.Status.SleepTime.After(visit.Slept) {
		return view, slept(s)
	}
	return view, nil
}

// EndsVisits says that the session's last sleep ended the visits before it, rather
// than that it came because nobody seemed to be there.
func EndsVisits(s *v1alpha1.VDISession) bool { return slept(s) != nil }

// slept is the error for a desktop that a clock put to sleep; nil where the sleep
// came because nobody seemed to be there, and a visitor may wake it again.
func slept(s *v1alpha1.VDISession) error {
	switch lifecycle.Reason(s.Status.SleepReason) {
	case lifecycle.ReasonStartup:
		return fmt.Errorf("%w: %s", ErrStartFailed, s.Status.Message)
	case lifecycle.ReasonMaxDuration, lifecycle.ReasonIdle:
		return fmt.Errorf("%w (%s)", ErrAsleep, s.Status.SleepReason)
	}
	return nil
}

// Slept returns why a script's reconnect must not wake the session, or nil when it
// may: a clock put the desktop to sleep although somebody may have been connected,
// or it did not start, and nobody has asked for it since. Only a person wakes it.
func Slept(s *v1alpha1.VDISession) error {
	if s.Status.StartTime != nil || s.Status.SleepTime == nil {
		return nil
	}
	if a := s.Status.Activity; a != nil && a.LastWakeTime != nil && a.LastWakeTime.After(s.Status.SleepTime.Time) {
		return nil
	}
	return slept(s)
}

// address is where to dial; false while there is nowhere. The pod of a desktop
// that sleeps is on its way out: whoever comes now gets the next one.
func address(v directory.View) (string, bool) {
	if v.Asleep() || v.Pod == nil || v.Pod.IP == "" || v.Pod.Port == 0 {
		return "", false
	}
	return net.JoinHostPort(v.Pod.IP, strconv.Itoa(int(v.Pod.Port))), true
}

func (r *Reacher) dial(ctx context.Context, addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return r.dialer.DialContext(ctx, "tcp", addr)
}
