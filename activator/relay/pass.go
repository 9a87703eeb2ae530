package relay

import (
	"github.com/gobwas/ws"

	"github.com/org/vdi-operator/activator/frame"
)

// Way is one direction of a relayed WebSocket, passed as it comes.
type Way struct {
	From *frame.Reader
	To   *frame.Writer
	// Limit is the longest message, in bytes; 0 for none.
	Limit int64
	// Control takes the control frames, complete and as they came; an error of it ends
	// the passing.
	Control func(op ws.OpCode, raw []byte) error
	// Moved counts the bytes that were passed.
	Moved func(int)
	// dropping says that nothing passes of the message that comes.
	dropping bool
}

// Open says that a message has been passed in part.
func (w *Way) Open() bool { return !w.dropping && w.From.Open() }

// Pass passes bytes until one side fails: a failure of the side that is written to
// is a *frame.WriteError.
func (w *Way) Pass() error {
	for {
		if err := w.step(false); err != nil {
			return err
		}
	}
}

// PassMessage passes a message that is too long to be kept: what was read of it, and the
// rest as it comes.
func (w *Way) PassMessage() error {
	if f, open := w.From.Partial(); open {
		if err := w.To.Begin(f.Op, f.Data); err != nil {
			return err
		}
	}
	for {
		if err := w.step(true); err != nil || !w.From.Open() {
			return err
		}
	}
}

// DropMessage takes a message that is too long to be kept, and passes nothing of it on.
func (w *Way) DropMessage() error {
	w.dropping = true
	defer func() { w.dropping = false }()
	w.From.Partial()
	for {
		span, err := w.From.Span(0, true)
		if err == nil && span.Control != 0 {
			err = w.Control(span.Control, span.Bytes)
		}
		if err != nil || !w.From.Open() {
			return err
		}
	}
}

func (w *Way) step(one bool) error {
	if handled, err := frame.Splice(w.From, w.To, w.Moved); handled {
		return err
	}
	span, err := w.From.Span(w.Limit, one)
	if err != nil {
		return err
	}
	if span.Control != 0 {
		return w.Control(span.Control, span.Bytes)
	}
	// Counted before: who sees the other end can rely on the count.
	w.Moved(len(span.Bytes))
	return w.To.Pass(span.Bytes, w.From.Mid(), w.From.Open())
}
