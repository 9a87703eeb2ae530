package hold

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/org/vdi-operator/activator/reach"
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
	// CloseAsleep: a clock put the desktop to sleep; loading the page wakes it.
	CloseAsleep = 4410
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
	return websocket.FormatCloseMessage(e.Code, reason)
}

// errClientLeft is the end that needs no word: the client is gone.
var errClientLeft = errors.New("the client left")

// ShuttingDown is the end of every connection when this replica goes away; the
// client reconnects to another one.
var ShuttingDown = &Ending{Code: websocket.CloseServiceRestart, Reason: "the gateway restarts: reconnect"}

// ErrTimeout is the end of a connection whose desktop neither came nor failed.
var ErrTimeout = &Ending{Code: websocket.CloseTryAgainLater, Reason: "the desktop did not answer in time", Refusal: metrics.RefusedHoldTimeout}

// Unreachable turns a reason for which a desktop can't be reached into an ending.
func Unreachable(err error) *Ending {
	var e *Ending
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, reach.ErrGone):
		return &Ending{Code: CloseGone, Reason: err.Error()}
	case errors.Is(err, reach.ErrPoweredOff):
		return &Ending{Code: ClosePoweredOff, Reason: err.Error(), Refusal: metrics.RefusedPoweredOff}
	case errors.Is(err, reach.ErrAsleep):
		return &Ending{Code: CloseAsleep, Reason: err.Error(), Refusal: metrics.RefusedAsleep}
	case errors.Is(err, reach.ErrStartFailed):
		return &Ending{Code: CloseStartFailed, Reason: err.Error(), Refusal: metrics.RefusedStartFailed}
	}
	return &Ending{Code: websocket.CloseInternalServerErr, Reason: "the desktop cannot be reached"}
}

// clientError says that reading from or writing to the client failed; it still
// holds the client's close frame, if there was one.
func clientError(err error) error { return fmt.Errorf("%w: %w", errClientLeft, err) }

// desktopEnding passes the desktop's own close frame on, or says that it broke off.
func desktopEnding(err error) *Ending {
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code == websocket.CloseAbnormalClosure {
		return &Ending{Code: websocket.CloseServiceRestart, Reason: "the connection to the desktop ended"}
	}
	if closed.Code == websocket.CloseNoStatusReceived {
		return &Ending{Code: websocket.CloseNormalClosure}
	}
	return &Ending{Code: closed.Code, Reason: closed.Text}
}

// ClientClose is the close frame that the desktop gets when the client ends.
func ClientClose(end error) []byte {
	var closed *websocket.CloseError
	if errors.As(end, &closed) && closed.Code != websocket.CloseAbnormalClosure && closed.Code != websocket.CloseNoStatusReceived {
		return websocket.FormatCloseMessage(closed.Code, closed.Text)
	}
	return websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
}
