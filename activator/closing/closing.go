// Package closing says why the activator ends a connection or refuses a request: one
// table of refusals, which plain HTTP and WebSockets both read, and the type in which an
// end is passed on.
//
// It promises that every end has a sentence for a person, and that a refusal is counted
// by the same label, whatever the visitor speaks. It does not know who decides an end.
package closing

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Ending is the end of a visitor's connection or request. A desktop's own close frame
// is one without a refusal.
type Ending struct {
	// Code is the WebSocket's close code.
	Code int
	// Reason is a sentence for the person.
	Reason  string
	Refusal *Refusal
}

// Error implements error.
func (e *Ending) Error() string { return e.Reason }

// Unwrap makes errors.Is find the refusal.
func (e *Ending) Unwrap() error {
	if e.Refusal == nil {
		return nil
	}
	return e.Refusal
}

// Label is the ending's reason in vdi_activator_refusals_total; empty if it is not counted.
func (e *Ending) Label() string {
	if e.Refusal == nil {
		return ""
	}
	return e.Refusal.Label
}

// Of returns the ending in err, or Unreachable's if err is no ending.
func Of(err error) *Ending {
	var e *Ending
	if errors.As(err, &e) {
		return e
	}
	return Unreachable.Ending()
}

// maxReason is the room for a reason in a close frame, in bytes: 125 of a control
// frame's payload less 2 for the code (RFC 6455, section 5.5).
const maxReason = 123

// Frame returns the payload of the close frame. The reason may quote a desktop: it is
// made valid and cut at the end of a character.
func (e *Ending) Frame() []byte {
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

// retryAfter is how long a client is asked to wait after 503, in seconds.
const retryAfter = 5

// Answer answers a plain request of a program with the ending's status and reason.
func (e *Ending) Answer(w http.ResponseWriter) {
	status := http.StatusServiceUnavailable
	if e.Refusal != nil && e.Refusal.Status != 0 {
		status = e.Refusal.Status
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, e.Reason, status)
}
