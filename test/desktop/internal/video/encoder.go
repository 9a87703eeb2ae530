// Package video turns pictures into VP8 by running vpxenc (Debian package vpx-tools), one
// process for each stream, so that a stream always begins with a key frame and nothing
// runs while nobody looks. It does not know where pictures come from or go.
package video

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/pion/webrtc/v3/pkg/media/ivfreader"

	"github.com/org/vdi-operator/test/desktop/internal/process"
)

// Settings of a stream.
type Settings struct {
	Width, Height int
	FrameRate     int // frames a second
	Bitrate       int // kilobits a second
}

const (
	// keyFrameSeconds is the longest time between key frames. Viewers that lose packets
	// ask for one at once, so this is only the last resort.
	keyFrameSeconds = 10
	// pictureTimeout bounds how long the encoder may take to accept one picture.
	pictureTimeout = 3 * time.Second
)

// Encoder is one running vpxenc.
type Encoder struct {
	child  *process.Child
	in     *os.File
	out    *os.File
	frames *ivfreader.IVFReader // made by the first Read, when vpxenc has written its header
}

// Start starts an encoder. It waits for its first picture at no cost.
func Start(group *process.Group, s Settings) (*Encoder, error) {
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = inRead.Close() }()
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		_ = inWrite.Close()
		return nil, err
	}
	defer func() { _ = outWrite.Close() }()
	child, err := group.Start(process.Spec{
		Name: "vpxenc",
		Args: []string{
			"stdbuf", "-o0", // each frame leaves when it is ready, not when 4 KiB are full
			"vpxenc", "--codec=vp8", "--rt", "--cpu-used=10", "--threads=1", "--lag-in-frames=0", "--ivf", "--quiet",
			"--i420", "--width=" + strconv.Itoa(s.Width), "--height=" + strconv.Itoa(s.Height), "--fps=" + strconv.Itoa(s.FrameRate) + "/1",
			"--end-usage=cbr", "--target-bitrate=" + strconv.Itoa(s.Bitrate), "--min-q=4", "--max-q=50",
			"--undershoot-pct=100", "--overshoot-pct=15", "--buf-sz=1000", "--buf-initial-sz=500", "--buf-optimal-sz=600",
			"--max-intra-rate=300", "--error-resilient=1", "--static-thresh=100", "--drop-frame=0",
			"--kf-max-dist=" + strconv.Itoa(keyFrameSeconds*s.FrameRate), "-o", "-", "-",
		},
		Files: []*os.File{inRead, outWrite},
	})
	if err != nil {
		_ = inWrite.Close()
		_ = outRead.Close()
		return nil, err
	}
	return &Encoder{child: child, in: inWrite, out: outRead}, nil
}

// Write hands over one picture in I420.
func (e *Encoder) Write(picture []byte) error {
	_ = e.in.SetWriteDeadline(time.Now().Add(pictureTimeout))
	if _, err := e.in.Write(picture); err != nil {
		return fmt.Errorf("hand a picture to vpxenc: %w", err)
	}
	return nil
}

// Read returns the next VP8 frame, or an error when the encoder has ended. It may run
// beside Write.
func (e *Encoder) Read() ([]byte, error) {
	if e.frames == nil {
		frames, header, err := ivfreader.NewWith(e.out)
		if err != nil {
			return nil, fmt.Errorf("read the header of vpxenc's output: %w", err)
		}
		if header.FourCC != "VP80" {
			return nil, fmt.Errorf("vpxenc's output is %q, want VP80", header.FourCC)
		}
		e.frames = frames
	}
	frame, _, err := e.frames.ParseNextFrame()
	if err != nil {
		return nil, fmt.Errorf("read a frame of vpxenc's output: %w", err)
	}
	return frame, nil
}

// Close ends the encoder and returns when it is gone or ctx ends. A Read under way
// returns with an error.
func (e *Encoder) Close(ctx context.Context) {
	_ = e.in.Close()
	e.child.Signal(syscall.SIGKILL) // nothing it still holds is wanted
	select {
	case <-e.child.Done():
	case <-ctx.Done():
	}
	_ = e.out.Close()
}
