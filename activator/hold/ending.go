package hold

import (
	"errors"
	"fmt"
	"time"

	"github.com/gobwas/ws"

	"github.com/org/vdi-operator/activator/closing"
)

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

// clientError says how the client's side ended: by its own breach, or by leaving.
func clientError(err error) error {
	if e := (*closing.Ending)(nil); errors.As(err, &e) {
		return e
	}
	var l *left
	if errors.As(err, &l) {
		return l
	}
	return &left{err: err}
}

// closed is a desktop's close frame.
type closed struct{ said []byte }

func (c *closed) Error() string { return "the desktop closed the connection" }

// ending passes the frame on.
func (c *closed) ending() *closing.Ending {
	code, reason := parseClose(c.said)
	if code == 0 {
		return &closing.Ending{Code: closing.CodeNormal}
	}
	return &closing.Ending{Code: code, Reason: reason}
}

// leaves says that the desktop's program is on its way out rather than that it has
// something against this client.
func (c *closed) leaves() bool {
	code, _ := parseClose(c.said)
	return code == closing.CodeGoingAway || code == closing.CodeRestart
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
