package frame

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestALongFramePassesThroughTheKernelUnchanged(t *testing.T) {
	from, in := sockets(t)
	out, to := sockets(t)
	noise := make([]byte, 20<<20+17)
	chacha := rand.NewChaCha8([32]byte{1})
	_, _ = chacha.Read(noise)
	raw := Append(nil, ws.OpBinary, true, noise, true)
	raw = Append(raw, ws.OpText, true, []byte("short"), true)
	go func() {
		_, _ = from.Write(raw)
		_ = from.CloseWrite()
	}()
	sum := make(chan [32]byte, 1)
	go func() {
		got, _ := io.ReadAll(to)
		sum <- sha256.Sum256(got)
	}()

	r, w := NewReader(in, true, nil), NewWriter(out, true)
	spliced, reported, copied := 0, 0, 0
	for {
		handled, err := Splice(r, w, func(n int) { spliced += n; reported++ })
		require.NoError(t, err)
		if handled {
			continue
		}
		s, err := r.Span(0, false)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		copied += len(s.Bytes)
		require.NoError(t, w.Pass(s.Bytes, r.Mid(), r.Open()))
	}
	_ = out.CloseWrite()
	assert.Equal(t, sha256.Sum256(raw), <-sum, "what arrived is not what was sent")
	require.GreaterOrEqual(t, spliced, len(noise)-2*bufferSize)
	assert.Equal(t, len(raw), spliced+copied, "bytes were spliced and %d copied", copied)
	assert.GreaterOrEqual(t, reported, 10, "progress was told %d times", reported)
}

func TestASpliceSaysWhichSideFailed(t *testing.T) {
	begin := func(t *testing.T) (from io.WriteCloser, r *Reader, w *Writer, to io.Closer) {
		a, in := sockets(t)
		out, b := sockets(t)
		r, w = NewReader(in, true, nil), NewWriter(out, true)
		if _, err := a.Write(Append(nil, ws.OpBinary, true, make([]byte, 10<<20), true)[:1000]); err != nil {
			t.Fatal(err)
		}
		s, err := r.Span(0, false)
		require.NoError(t, err)
		require.Len(t, s.Bytes, 1000)
		return a, r, w, b
	}
	t.Run("the sender", func(t *testing.T) {
		from, r, w, _ := begin(t)
		_ = from.Close()
		handled, err := Splice(r, w, func(int) {})
		if f := (*WriteError)(nil); !handled || !errors.Is(err, io.EOF) || errors.As(err, &f) {
			t.Errorf("%v, %v", handled, err)
		}
	})
	t.Run("the receiver", func(t *testing.T) {
		from, r, w, to := begin(t)
		_ = to.Close()
		go func() { _, _ = io.Copy(from, bytes.NewReader(make([]byte, 5<<20))) }()
		handled, err := Splice(r, w, func(int) {})
		f := (*WriteError)(nil)
		require.True(t, handled)
		assert.ErrorAs(t, err, &f)
		_ = from.Close()
		_ = r.conn.Close()
	})
}
