package frame

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/org/vdi-operator/activator/closing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sockets returns both ends of a TCP connection.
func sockets(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	dialled, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	accepted, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = dialled.Close(); _ = accepted.Close() })
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

// stored is a connection whose peer has said all it has to say.
type stored struct {
	net.Conn
	r io.Reader
}

func (s stored) Read(b []byte) (int, error) { return s.r.Read(b) }

// said is a reader of what a client has said, in reads of at most piece bytes.
func said(piece int, raw []byte) *Reader {
	return NewReader(stored{r: pieces{bytes.NewReader(raw), piece}}, true, nil)
}

type pieces struct {
	r io.Reader
	n int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.n)]) }

func TestABreachOfTheProtocolIsNamed(t *testing.T) {
	hi := Append(nil, ws.OpText, true, []byte("hi"), true)
	begun := Append(nil, ws.OpText, false, []byte("hi"), true)
	for name, tc := range map[string]struct {
		raw  []byte
		want *closing.Refusal
	}{
		"not masked":                        {Append(nil, ws.OpText, true, []byte("hi"), false), closing.FrameMask},
		"a reserved bit":                    {[]byte{0xc1, 0x80, 1, 2, 3, 4}, closing.FrameReserved},
		"an opcode of no use":               {[]byte{0x83, 0x80, 1, 2, 3, 4}, closing.FrameOpcode},
		"a control opcode of no use":        {[]byte{0x8b, 0x80, 1, 2, 3, 4}, closing.FrameOpcode},
		"a fragmented ping":                 {[]byte{0x09, 0x80, 1, 2, 3, 4}, closing.FrameControl},
		"a long ping":                       {Append(nil, ws.OpPing, true, make([]byte, 126), true), closing.FrameControl},
		"a continuation of nothing":         {Append(nil, ws.OpContinuation, true, nil, true), closing.FrameOrder},
		"a message within another":          {append(bytes.Clone(begun), hi...), closing.FrameOrder},
		"a short length written long":       {[]byte{0x81, 0x80 | 126, 0, 2, 1, 2, 3, 4, 'h', 'i'}, closing.FrameLength},
		"a middling length written long":    {[]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4}, closing.FrameLength},
		"a length of more than 63 bits":     {[]byte{0x82, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, closing.FrameLength},
		"a breach after a message that was": {append(bytes.Clone(hi), 0xc1, 0x80, 1, 2, 3, 4), closing.FrameReserved},
	} {
		t.Run(name, func(t *testing.T) {
			for how, read := range map[string]func(*Reader) error{
				"read":   func(r *Reader) error { _, err := r.Read(1000); return err },
				"passed": func(r *Reader) error { _, err := r.Span(0, false); return err },
			} {
				r := said(100, tc.raw)
				var err error
				for err == nil {
					err = read(r)
				}
				var f *closing.Ending
				if !errors.As(err, &f) || f.Refusal != tc.want || f.Code != 1002 || f.Reason == "" {
					t.Errorf("%s: %v, want %s", how, err, tc.want)
				}
			}
		})
	}
	_, err := NewReader(stored{r: bytes.NewReader(hi)}, false, nil).Read(10)
	f := (*closing.Ending)(nil)
	require.ErrorAs(t, err, &f)
	assert.Same(t, closing.FrameMask, f.Refusal, "a masked frame of the desktop")
}

func TestALongMessageIsRefusedByItsHeader(t *testing.T) {
	// The first frame announces a gigabyte; nothing of it has come.
	announced := []byte{0x82, 0x80 | 127, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4}
	r := said(100, announced)
	_, err := r.Read(1000)
	assert.ErrorIs(t, err, ErrLong, "read")
	var f *closing.Ending
	_, err = said(100, announced).Span(1000, false)
	require.ErrorAs(t, err, &f)
	require.Equal(t, 1009, f.Code)
	assert.Same(t, closing.MessageTooLong, f.Refusal, "passed")
	// Many frames, each short enough.
	many := Append(nil, ws.OpBinary, false, make([]byte, 600), true)
	many = Append(many, ws.OpContinuation, true, make([]byte, 600), true)
	_, err = said(100, many).Read(1000)
	assert.ErrorIs(t, err, ErrLong, "read")
	r = said(5000, many)
	s, err := r.Span(1000, false)
	require.NoError(t, err)
	assert.Len(t, s.Bytes, 600+8, "passed %d bytes, %v", len(s.Bytes), err)
	_, err = r.Span(1000, false)
	require.ErrorAs(t, err, &f)
	assert.Equal(t, 1009, f.Code, "passed")
}

// script is what a random client says, and what that means.
func script(rnd *rand.Rand) (raw []byte, messages []Frame) {
	ping := func() {
		if rnd.IntN(4) == 0 {
			f := Frame{ws.OpPing, []byte(fmt.Sprint("ping ", rnd.IntN(1000)))}
			raw = Append(raw, f.Op, true, f.Data, true)
			messages = append(messages, f)
		}
	}
	for range rnd.IntN(8) {
		ping()
		data := make([]byte, []int{0, 1, 125, 126, 1000, 0xffff, 0x10000, 100000}[rnd.IntN(8)])
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		op, rest := ws.OpBinary, data
		for rnd.IntN(2) == 0 {
			n := rnd.IntN(len(rest) + 1)
			raw = Append(raw, op, false, rest[:n], true)
			op, rest = ws.OpContinuation, rest[n:]
			ping()
		}
		raw = Append(raw, op, true, rest, true)
		messages = append(messages, Frame{ws.OpBinary, data})
	}
	return raw, messages
}

func TestWhateverComesIsReadAndPassedAlike(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		raw, want := script(rnd)
		piece := 500 + rnd.IntN(40000)
		if len(raw) < 5000 {
			piece = 1 + rnd.IntN(20)
		}
		r := said(piece, raw)
		for i, w := range want {
			f, err := r.Read(1 << 20)
			require.NoError(t, err)
			require.Equal(t, w.Op, f.Op)
			require.Equal(t, string(w.Data), string(f.Data),
				"seed %d: message %d is %d bytes; want %d", seed, i, len(f.Data), len(w.Data))
		}
		_, err := r.Read(1)
		require.ErrorIs(t, err, io.EOF, "seed %d: read on", seed)

		r = said(piece, raw)
		var passed []byte
		controls := 0
		for {
			s, err := r.Span(0, false)
			if err != nil {
				require.ErrorIs(t, err, io.EOF, "seed %d", seed)
				break
			}
			if s.Control != 0 {
				controls++
				p := Payload(s.Bytes)
				require.True(t, strings.HasPrefix(string(p), "ping "), "seed %d: a ping of %q", seed, p)
			}
			passed = append(passed, s.Bytes...)
		}
		if !bytes.Equal(passed, raw) || r.Mid() || r.Open() {
			t.Fatalf("seed %d: passed %d bytes, want %d, the same", seed, len(passed), len(raw))
		}
		for _, w := range want {
			if w.Op == ws.OpPing {
				controls--
			}
		}
		require.Equal(t, 0, controls, "seed %d: more control frames were told than sent", seed)
	}
}

func TestASilentConnectionKeepsNoBuffer(t *testing.T) {
	a, b := sockets(t)
	r := NewReader(b, true, nil)
	read := make(chan error)
	go func() {
		for {
			_, err := r.Read(1000)
			read <- err
			if err != nil {
				return
			}
		}
	}()
	for range 3 {
		_, err := a.Write(Append(nil, ws.OpText, true, []byte("hi"), true))
		require.NoError(t, err)
		require.NoError(t, <-read)
	}
	// A frame in parts: its beginning is kept, in no more than its own size.
	whole := Append(nil, ws.OpPing, true, make([]byte, 100), true)
	seen := r.Reads()
	_, err := a.Write(whole[:50])
	require.NoError(t, err)
	for r.Reads() == seen { // the beginning is read
		time.Sleep(time.Millisecond)
	}
	_ = a.Close()
	require.ErrorIs(t, <-read, io.EOF)
	assert.LessOrEqual(t, cap(r.kept), 128, "bytes were kept of 50")
}

func TestFramesNeverMixWithWhatIsPassed(t *testing.T) {
	a, b := sockets(t)
	w := NewWriter(a, false)
	long := Append(nil, ws.OpBinary, false, bytes.Repeat([]byte("x"), 1000), false)
	end := Append(nil, ws.OpContinuation, true, []byte("y"), false)
	do := func(err error) {
		t.Helper()
		require.NoError(t, err)
	}
	do(w.Pass(long[:100], true, true))
	do(w.Send(ws.OpPong, []byte("pong")))
	do(w.Send(ws.OpText, []byte("text")))
	w.SendNow(ws.OpPing, []byte("not now"))
	assert.False(t, w.Idle(), "said to be idle within a frame")
	do(w.Pass(long[100:], false, true)) // the pong follows
	do(w.Pass(end, false, false))       // the text follows
	assert.True(t, w.Idle(), "said not to be idle")
	w.SendNow(ws.OpPing, []byte("now"))
	assert.True(t, w.Close([]byte{3, 232}, time.Second), "it cannot be closed")
	assert.Error(t, w.Send(ws.OpText, []byte("late")), "something was written after the close frame")
	_ = a.Close()
	r := NewReader(b, false, nil)
	for _, want := range []struct {
		op   ws.OpCode
		size int
	}{{ws.OpPong, 4}, {ws.OpBinary, 1001}, {ws.OpText, 4}, {ws.OpPing, 3}, {ws.OpClose, 2}} {
		f, err := r.Read(10000)
		require.NoError(t, err)
		require.Equal(t, want.op, f.Op)
		assert.Len(t, f.Data, want.size, "read %d bytes of %v, %v; want %d of %v", len(f.Data), f.Op, err, want.size, want.op)
	}
	_, err := r.Read(1)
	assert.ErrorIs(t, err, io.EOF, "then")
}

func TestWhatWaitsForAMessagesEndIsBounded(t *testing.T) {
	a, b := sockets(t)
	go func() { _, _ = io.Copy(io.Discard, b) }()
	w := NewWriter(a, false)
	require.NoError(t, w.Pass(Append(nil, ws.OpBinary, false, nil, false), false, true))
	for n := 0; ; n += 1000 {
		if err := w.Send(ws.OpText, make([]byte, 1000)); err != nil {
			break
		}
		require.LessOrEqual(t, n, maxWaiting, "bytes wait")
	}
	_ = a.Close()
}

func TestAPeerThatDoesNotReadFailsTheWriteInTime(t *testing.T) {
	a, _ := sockets(t)
	w := NewWriter(a, false)
	// Long enough for the socket to be full by then on a busy machine too: what is cut off
	// before its first byte would leave room for a frame.
	w.CutOff(2 * time.Second)
	var err error
	for err == nil {
		err = w.Pass(make([]byte, 1<<20), false, false)
	}
	f := (*WriteError)(nil)
	assert.ErrorAs(t, err, &f, "failed")
	assert.False(t, w.Close(nil, time.Second), "a close frame was written into the middle of something")
}

func FuzzReader(f *testing.F) {
	for seed := range uint64(6) {
		raw, _ := script(rand.New(rand.NewPCG(seed, 1)))
		f.Add(raw[:min(len(raw), 2000)], uint16(seed))
	}
	f.Add([]byte{0x81, 0x80, 0, 0, 0, 0}, uint16(1))
	f.Add([]byte{0x82, 0x80 | 127, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4}, uint16(9))
	f.Add([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 232}, uint16(3))
	f.Add(overflowing, uint16(999))
	f.Fuzz(func(t *testing.T, raw []byte, piece uint16) {
		const limit = 500
		r := said(1+int(piece), raw)
		for {
			frame, err := r.Read(limit)
			if err != nil {
				break
			}
			require.LessOrEqual(t, len(frame.Data), limit, "read %d bytes", len(frame.Data))
		}
		require.LessOrEqual(t, cap(r.part), 4*limit+len(raw), "bytes are kept")
		// What is passed is what came, until it breaks the protocol.
		p := said(1+int(piece), raw)
		var passed []byte
		for {
			s, err := p.Span(0, false)
			if err != nil {
				break
			}
			passed = append(passed, s.Bytes...)
		}
		require.True(t, bytes.HasPrefix(raw, passed), "passed %x of %x", passed, raw)
		bounded := said(1+int(piece), raw)
		passed = nil
		for {
			s, err := bounded.Span(limit, false)
			if err != nil {
				break
			}
			passed = append(passed, s.Bytes...)
		}
		require.LessOrEqual(t, longest(passed), limit, "a message passed its limit")
	})
}

// overflowing is a message of two fragments of which the second says that it has 2^63-1
// bytes, and has 2,000.
var overflowing = append([]byte{0x01, 0x81, 0, 0, 0, 0, 'x', 0x80, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
	bytes.Repeat([]byte{'y'}, 2000)...)

// longest is the most bytes of one message in what a client has said, by another reader of
// headers.
func longest(raw []byte) (most int) {
	from := bytes.NewReader(raw)
	message := 0
	for {
		h, err := ws.ReadHeader(from)
		if err != nil {
			return most
		}
		n := int(min(h.Length, int64(from.Len())))
		_, _ = from.Seek(int64(n), io.SeekCurrent)
		if h.OpCode.IsControl() {
			continue
		}
		if h.OpCode != ws.OpContinuation {
			message = 0
		}
		message += n
		most = max(most, message)
	}
}

func TestNoLengthOfAFragmentPassesTheLimit(t *testing.T) {
	for _, one := range []bool{false, true} {
		r := said(1<<10, overflowing)
		var passed []byte
		for {
			s, err := r.Span(500, one)
			if err != nil {
				if !errors.Is(err, closing.MessageTooLong) {
					t.Errorf("ended with %v", err)
				}
				break
			}
			passed = append(passed, s.Bytes...)
		}
		if n := longest(passed); n > 1 {
			t.Errorf("%d bytes of a message of 2^63 passed a limit of 500", n)
		}
	}
}

// flooded is a connection whose peer says the same without a pause.
type flooded struct {
	net.Conn
	said  []byte
	stop  *atomic.Bool
	reads *atomic.Int64
}

func (f flooded) Read(b []byte) (int, error) {
	if f.stop.Load() {
		return 0, io.EOF
	}
	f.reads.Add(1)
	return copy(b, f.said), nil
}

// Of a hundred viewers' messages half came back half a second late while a few hostile desktops flooded their sockets.
func TestWhoReadsAFloodLetsOthersHaveTheirTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, read := range map[string]func(*Reader) error{
		"messages": func(r *Reader) error { _, err := r.Read(1 << 10); return err },
		"spans":    func(r *Reader) error { _, err := r.Span(0, false); return err },
		"nothing":  func(r *Reader) error { r.Discard(); return io.EOF },
	} {
		const floods, turns = 30, 10
		f := flooded{said: bytes.Repeat([]byte{0x82, 1, 'x'}, 1000), stop: &atomic.Bool{}, reads: &atomic.Int64{}}
		var readers sync.WaitGroup
		for range floods {
			readers.Go(func() {
				for r := NewReader(f, false, nil); read(r) == nil; {
				}
			})
		}
		for range turns {
			runtime.Gosched()
		}
		f.stop.Store(true)
		readers.Wait()
		// Without a turn of others each reads on for 10 ms.
		assert.LessOrEqual(t, f.reads.Load(), int64(2*floods*turns*turn), name)
	}
}
