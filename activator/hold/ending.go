package hold

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/org/vdi-operator/activator/frame"
	"github.com/org/vdi-operator/activator/probe"
	"github.com/org/vdi-operator/activator/relay"
	"github.com/org/vdi-operator/activator/signaling"
	"github.com/org/vdi-operator/pkg/metrics"
)

// Close codes of this product, in the range that RFC 6455 leaves to applications.
// The standard ones are used where they fit.
const (
	// CloseGone: the session was deleted.
	CloseGone = 4404
	// ClosePoweredOff: spec.power is Off.
	ClosePoweredOff = 4403
	// CloseStartFailed: the desktop did not start; the reason says why.
	CloseStartFailed = 4408
	// CloseUsedElsewhere: another page shows the desktop now, which has one viewer.
	CloseUsedElsewhere = 4409
	// CloseAsleep: a clock put the desktop to sleep; loading the page wakes it.
	CloseAsleep = 4410
	// CloseIdle: nothing was said for limits.relayIdleTimeout.
	CloseIdle = 4411
)

// Close codes of RFC 6455, section 7.4.1, and of its registry.
const (
	CloseNormal         = int(ws.StatusNormalClosure)
	CloseGoingAway      = int(ws.StatusGoingAway)
	CloseProtocolError  = int(ws.StatusProtocolError)
	CloseInvalidText    = int(ws.StatusInvalidFramePayloadData)
	ClosePolicy         = int(ws.StatusPolicyViolation)
	CloseTooBig         = int(ws.StatusMessageTooBig)
	CloseInternalError  = int(ws.StatusInternalServerError)
	CloseServiceRestart = 1012
	CloseTryAgainLater  = 1013
)

// maxReason is the room for a reason in a close frame: 125 bytes of a control
// frame's payload less 2 for the code (RFC 6455, section 5.5).
const maxReason = 123

// Ending is how a visitor's WebSocket ends: a close code, a sentence for the
// person, and what it counts as when it is a refusal.
type Ending struct {
	Code    int
	Reason  string
	Refusal metrics.Refusal
}

func (e *Ending) Error() string { return e.Reason }

// frame is the close frame's payload: the reason, which may quote a desktop, made
// valid and cut at a character's end.
func (e *Ending) frame() []byte {
	reason := strings.ToValidUTF8(e.Reason, "\uFFFD")
	if len(reason) > maxReason {
		end := maxReason
		for !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	return ws.NewCloseFrameBody(ws.StatusCode(e.Code), reason) //nolint:gosec // close codes have four digits
}

// left is the end that needs no word: the client is gone. said is the payload of its
// close frame, and nil without one.
type left struct {
	said []byte
	err  error
}

func (l *left) Error() string {
	if l.said != nil {
		return "the client left"
	}
	return fmt.Sprintf("the client left: %v", l.err)
}

func (l *left) Unwrap() error { return l.err }

// Left says that an end was the client's own doing.
func Left(end error) bool {
	var l *left
	return errors.As(end, &l)
}

var errSilent = errors.New("it answered no ping")

// ShuttingDown is the end of every connection when this replica goes away; the
// client reconnects to another one.
var ShuttingDown = &Ending{Code: CloseServiceRestart, Reason: "the gateway restarts: reconnect"}

// ErrTimeout is the end of a connection whose desktop neither came nor failed.
var ErrTimeout = &Ending{Code: CloseTryAgainLater, Reason: "the desktop did not answer in time", Refusal: metrics.RefusedHoldTimeout}

// UsedElsewhere is the end of a viewer's connections when another page has taken the
// desktop over.
var UsedElsewhere = &Ending{Code: CloseUsedElsewhere, Reason: "the desktop is used in another tab", Refusal: metrics.RefusedUsedElsewhere}

var errInvalidText = &Ending{Code: CloseInvalidText, Reason: "a text message is not valid UTF-8", Refusal: metrics.RefusedEncoding}

// Unreachable turns a reason for which a desktop can't be reached into an ending.
func Unreachable(err error) *Ending {
	var e *Ending
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, probe.ErrGone):
		return &Ending{Code: CloseGone, Reason: err.Error()}
	case errors.Is(err, probe.ErrPoweredOff):
		return &Ending{Code: ClosePoweredOff, Reason: err.Error(), Refusal: metrics.RefusedPoweredOff}
	case errors.Is(err, probe.ErrAsleep):
		return &Ending{Code: CloseAsleep, Reason: err.Error(), Refusal: metrics.RefusedAsleep}
	case errors.Is(err, probe.ErrStartFailed):
		return &Ending{Code: CloseStartFailed, Reason: err.Error(), Refusal: metrics.RefusedStartFailed}
	}
	return &Ending{Code: CloseInternalError, Reason: "the desktop cannot be reached"}
}

func relayIdle(limit time.Duration) *Ending {
	return &Ending{Code: CloseIdle, Reason: fmt.Sprintf("nothing was said for %s", limit), Refusal: metrics.RefusedRelayIdle}
}

func rejected(why *relay.Rejected) *Ending {
	return &Ending{Code: CloseInternalError, Reason: why.Error(), Refusal: metrics.RefusedDesktopRejected}
}

// clientError says how the client's side ended: by its own breach, or by leaving.
func clientError(err error) error {
	var fault *frame.Fault
	if errors.As(err, &fault) {
		return &Ending{Code: fault.Code, Reason: fault.Reason, Refusal: fault.Refusal}
	}
	var l *left
	if errors.As(err, &l) {
		return l
	}
	return &left{err: err}
}

// violation is a protocol's breach as an ending.
func violation(err error) *Ending {
	var v *signaling.Violation
	if errors.As(err, &v) {
		return &Ending{Code: v.Code, Reason: v.Reason, Refusal: v.Refusal}
	}
	return &Ending{Code: CloseInternalError, Reason: "the message was not understood"}
}

// closed is a desktop's close frame.
type closed struct{ said []byte }

func (c *closed) Error() string { return "the desktop closed the connection" }

// ending passes the frame on.
func (c *closed) ending() *Ending {
	code, reason := parseClose(c.said)
	if code == 0 {
		return &Ending{Code: CloseNormal}
	}
	return &Ending{Code: code, Reason: reason}
}

// leaves says that the desktop's program is on its way out rather than that it has
// something against this client.
func (c *closed) leaves() bool {
	code, _ := parseClose(c.said)
	return code == CloseGoingAway || code == CloseServiceRestart
}

// parseClose reads a close frame's payload; code 0 is none, or none that may be sent
// on (RFC 6455, section 7.4).
func parseClose(said []byte) (code int, reason string) {
	status, reason := ws.ParseCloseFrameData(said)
	if len(said) < 2 || ws.CheckCloseFrameData(status, reason) != nil && (status < 1012 || status > 1014) {
		return 0, ""
	}
	return int(status), reason
}

// farewell is the close frame that the desktop gets when the client ends.
func farewell(end error) []byte {
	var l *left
	if errors.As(end, &l) && l.said != nil {
		if code, _ := parseClose(l.said); code != 0 {
			return l.said
		}
	}
	return ws.NewCloseFrameBody(ws.StatusGoingAway, "")
}

// closeWithin is how long a close frame, and the answer to it, may take.
const closeWithin = 2 * time.Second
