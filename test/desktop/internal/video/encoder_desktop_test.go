//go:build desktop

package video

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/org/vdi-operator/test/desktop/internal/process"
)

// TestEncoderStartsWithKeyFrame starts many encoders, because each viewer and each lost
// packet starts one.
func TestEncoderStartsWithKeyFrame(t *testing.T) {
	group, err := process.Own(slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer group.Shutdown(time.Second)
	settings := Settings{Width: 640, Height: 360, FrameRate: 15, Bitrate: 1000}
	picture := make([]byte, 640*360*3/2)
	for i := range picture {
		picture[i] = byte(i * 7)
	}
	for i := range 20 {
		start := time.Now()
		e, err := Start(group, settings)
		require.NoError(t, err)
		require.NoError(t, e.Write(picture), "encoder %d", i)
		frame, err := e.Read()
		require.NoError(t, err, "encoder %d", i)
		if len(frame) < 10 || frame[0]&1 != 0 || frame[3] != 0x9d || frame[4] != 0x01 || frame[5] != 0x2a {
			t.Fatalf("encoder %d: first frame does not begin as a VP8 key frame: % x", i, frame[:min(len(frame), 10)])
		}
		t.Logf("encoder %d: first frame of %d bytes after %s", i, len(frame), time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		e.Close(ctx)
		require.NoError(t, ctx.Err(), "encoder %d did not end", i)
		cancel()
	}
}
