package app

import (
	"context"
	"fmt"
	"time"

	"github.com/pion/webrtc/v3"
	"github.com/pion/webrtc/v3/pkg/media"
)

// opusFrame is the length of one audio packet.
const opusFrame = 20 * time.Millisecond

// opusSilence is a whole Opus packet of opusFrame silence (RFC 6716, section 3.1: CELT,
// fullband, stereo flag off, one frame).
var opusSilence = []byte{0xf8, 0xff, 0xfe}

// addAudio sends silence: the desktop has no sound, but a browser's audio path is the same.
func (s *session) addAudio() error {
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, "audio", "desktop")
	if err != nil {
		return fmt.Errorf("make the audio track: %w", err)
	}
	if _, err := s.pc.AddTrack(track); err != nil {
		return fmt.Errorf("add the audio track: %w", err)
	}
	s.work.Go(func() {
		if err := s.waitConnected(); err != nil {
			return
		}
		_ = Silence(s.ctx, func(opus []byte) error { return track.WriteSample(media.Sample{Data: opus, Duration: opusFrame}) })
	})
	return nil
}

// Silence gives packets of it to sink, in their time, until ctx ends or sink fails.
func Silence(ctx context.Context, sink func(opus []byte) error) error {
	tick := time.NewTicker(opusFrame)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := sink(opusSilence); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
