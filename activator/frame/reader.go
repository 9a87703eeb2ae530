// Package frame reads and writes the frames of a WebSocket (RFC 6455): message by
// message where somebody has to read them, and otherwise as the bytes that came.
//
// It promises that a connection from which nothing comes keeps no buffer, that no
// peer makes it keep more than a message of the length allowed, and that it is
// always known where a frame ends. It does not know what the messages mean.
package frame

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"runtime"
	"slices"

	"github.com/gobwas/ws"

	"github.com/org/vdi-operator/activator/closing"
)

// ErrLong says that the message that comes is longer than the reader of it allows.
// Nothing of the frame that exceeds it has been taken yet.
var ErrLong = errors.New("the message is longer than what may be kept")

// Reader reads one side's frames. One goroutine at a time may use it.
type Reader struct {
	// Announced, where it is set, is told of as many bytes of a message before Read keeps
	// them. Its error ends the read.
	Announced func(bytes int) error

	source
	fromClient bool

	// open says that a message's last frame is still to come; size is that message's
	// length as far as its headers have come.
	open bool
	size int64
	// rest is what is still to come of a data frame of which the header is taken.
	rest int64
	// kind and part are a message that Read has begun.
	kind ws.OpCode
	part []byte
}

// turn is how many frames or spans a reader takes without a wait before others have their
// turn.
const turn = 16

// yield lets others have theirs. A peer that sends without a pause never makes its reader
// wait, and Go lets it run for 10 ms each time: a hundred of those would hold up every other
// connection for half a second.
func (r *Reader) yield() {
	if r.unwaited++; r.unwaited >= turn {
		r.unwaited = 0
		runtime.Gosched()
	}
}

// NewReader reads from conn, of which before was read already. fromClient says whose
// frames it reads: clients' are masked.
func NewReader(conn net.Conn, fromClient bool, before []byte) *Reader {
	r := &Reader{fromClient: fromClient}
	r.init(conn, before)
	return r
}

// Frame is a complete message, or a control frame that came before its end.
type Frame struct {
	Op ws.OpCode
	// Data is the payload, unmasked; it is the receiver's.
	Data []byte
}

// Reads counts the reads that returned bytes.
func (r *Reader) Reads() uint32 { return r.reads.Load() }

// Mid says that a frame was taken in part: its rest must be written next where it went.
func (r *Reader) Mid() bool { return r.rest > 0 }

// Open says that a message was taken in part.
func (r *Reader) Open() bool { return r.open || r.rest > 0 }

// Wait waits until something has come that was not taken yet.
func (r *Reader) Wait() error {
	for len(r.window()) == 0 {
		if err := r.more(); err != nil {
			return err
		}
	}
	return nil
}

// header returns the next frame's header, checked but not taken.
func (r *Reader) header() (h ws.Header, size int, err error) {
	for {
		if h, size, err = parse(r.window()); err == nil && size > 0 {
			err = check(h, r.fromClient, r.open)
		}
		if err != nil || size > 0 {
			return h, size, err
		}
		if err := r.more(); err != nil {
			return h, 0, err
		}
	}
}

// Read reads on to the end of the next message or control frame. A message of more
// than limit bytes is ErrLong.
func (r *Reader) Read(limit int) (Frame, error) {
	for {
		r.yield()
		h, size, err := r.header()
		if err != nil {
			return Frame{}, err
		}
		if h.OpCode.IsControl() {
			raw, err := r.control(h, size)
			return Frame{h.OpCode, Payload(raw)}, err
		}
		if h.Length > int64(limit-len(r.part)) {
			return Frame{}, ErrLong
		}
		if r.Announced != nil {
			if err := r.Announced(int(h.Length)); err != nil {
				return Frame{}, err
			}
		}
		r.take(size)
		r.begin(h)
		if h.OpCode != ws.OpContinuation {
			r.kind = h.OpCode
		}
		if err := r.payload(h); err != nil {
			return Frame{}, err
		}
		if h.Fin {
			f := Frame{r.kind, r.part}
			r.part = nil
			return f, nil
		}
	}
}

// begin notes a data frame's header, which the caller takes.
func (r *Reader) begin(h ws.Header) {
	r.open, r.size, r.rest = !h.Fin, r.sizeWith(h), h.Length
}

// sizeWith is the message's length with that frame. Lengths are the peer's: their sum
// stops at the largest number rather than begin anew below 0.
func (r *Reader) sizeWith(h ws.Header) int64 {
	switch {
	case !r.open:
		return h.Length
	case h.Length > math.MaxInt64-r.size:
		return math.MaxInt64
	}
	return r.size + h.Length
}

// payload adds a frame's payload to the message. Memory grows with what comes, not
// with what the header announces.
func (r *Reader) payload(h ws.Header) error {
	for at := 0; r.rest > 0; {
		if err := r.Wait(); err != nil {
			return err
		}
		b := r.window()
		b = b[:min(r.rest, int64(len(b)))]
		from := len(r.part)
		r.part = append(slices.Grow(r.part, len(b)), b...)
		if h.Masked {
			ws.Cipher(r.part[from:], h.Mask, at)
		}
		at += len(b)
		r.take(len(b))
		r.rest -= int64(len(b))
	}
	return nil
}

// control takes a complete control frame as it came.
func (r *Reader) control(h ws.Header, size int) ([]byte, error) {
	size += int(h.Length)
	for len(r.window()) < size {
		if err := r.more(); err != nil {
			return nil, err
		}
	}
	b := r.window()[:size]
	r.take(size)
	return b, nil
}

// Payload is a copy of a complete control frame's payload, unmasked.
func Payload(raw []byte) []byte {
	h, size, err := parse(raw)
	if err != nil || size == 0 {
		return nil
	}
	data := bytes.Clone(raw[size:])
	if h.Masked {
		ws.Cipher(data, h.Mask, 0)
	}
	return data
}

// Ahead is the beginning, of at most n bytes, of the message that Read has found too long. It
// takes nothing.
func (r *Reader) Ahead(n int) (Frame, error) {
	h, size, err := r.header()
	if err != nil {
		return Frame{}, err
	}
	f := Frame{Op: h.OpCode, Data: bytes.Clone(r.part[:min(n, len(r.part))])}
	if h.OpCode == ws.OpContinuation {
		f.Op = r.kind
	}
	more := int(min(int64(n-len(f.Data)), h.Length))
	for len(r.window()) < size+more {
		if err := r.more(); err != nil {
			return Frame{}, err
		}
	}
	b := bytes.Clone(r.window()[size : size+more])
	if h.Masked {
		ws.Cipher(b, h.Mask, 0)
	}
	f.Data = append(f.Data, b...)
	return f, nil
}

// Partial returns what Read has taken of a message that turned out to be too long; the
// rest of it comes from Span.
func (r *Reader) Partial() (f Frame, open bool) {
	f = Frame{r.kind, r.part}
	r.part = nil
	return f, r.open
}

// Span is a piece of what came, as it came: the bytes of data frames, or one complete
// control frame.
type Span struct {
	Bytes []byte
	// Control is the opcode of a control frame, and 0 otherwise.
	Control ws.OpCode
}

// Span takes what has come, or waits for it. Its bytes may be used until the next
// call. A signaling message longer than limit bytes is a fault, unless limit is 0.
// With one set, a span does not go past the message's end.
func (r *Reader) Span(limit int64, one bool) (Span, error) {
	r.yield()
	if err := r.Wait(); err != nil {
		return Span{}, err
	}
	b := r.window()
	end := 0
	for {
		if n := min(r.rest, int64(len(b)-end)); n > 0 {
			end += int(n)
			r.rest -= n
		}
		if r.rest > 0 || end == len(b) || one && end > 0 && !r.open {
			break
		}
		h, size, err := parse(b[end:])
		if err == nil && size > 0 {
			err = check(h, r.fromClient, r.open)
		}
		if err == nil && size > 0 && !h.OpCode.IsControl() {
			err = r.tooLong(h, limit)
		}
		if end > 0 && (err != nil || size == 0 || h.OpCode.IsControl()) {
			break // the next call takes it from here
		}
		if err != nil {
			return Span{}, err
		}
		if size == 0 {
			if err := r.more(); err != nil {
				return Span{}, err
			}
			b = r.window()
			continue
		}
		if h.OpCode.IsControl() {
			raw, err := r.control(h, size)
			return Span{raw, h.OpCode}, err
		}
		r.begin(h)
		end += size
	}
	r.take(end)
	return Span{Bytes: b[:end]}, nil //nolint:nilerr // the next call finds the fault: it comes after these bytes
}

func (r *Reader) tooLong(h ws.Header, limit int64) error {
	if limit > 0 && r.sizeWith(h) > limit {
		return closing.MessageTooLong.Ending(limit)
	}
	return nil
}

// Discard reads until the connection ends, for when frames cannot be told apart any more.
func (r *Reader) Discard() {
	for err := error(nil); err == nil; err = r.more() {
		r.yield()
		r.take(len(r.window()))
	}
}

// Forget releases what the connection has borrowed.
func (r *Reader) Forget() {
	r.take(len(r.window()))
	r.release()
	r.part = nil
}

// Head takes an HTTP head of at most limit bytes, with the empty line that ends it; what
// follows are frames. A longer one is a *closing.Ending.
func (r *Reader) Head(limit int) ([]byte, error) {
	limit = min(limit, bufferSize)
	for {
		b := r.window()
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 && i+4 <= limit {
			head := bytes.Clone(b[:i+4])
			r.take(len(head))
			return head, nil
		}
		if len(b) >= limit {
			return nil, closing.DesktopHeaderBytes.Ending(limit)
		}
		switch err := r.more(); {
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
	}
}
