package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"

	"github.com/org/vdi-operator/test/desktop/internal/input"
	"github.com/org/vdi-operator/test/desktop/internal/process"
	"github.com/org/vdi-operator/test/desktop/internal/video"
)

// Screen is what a video session shows and moves.
type Screen struct {
	Source   video.Source
	Settings video.Settings
	Input    *input.Device
	Group    *process.Group
}

const (
	// largestInput bounds one message of the data channel.
	largestInput = 64 << 10
	// largestPacket leaves room for TURN and tunnels in the 1500 bytes of Ethernet.
	largestPacket = 1200
	videoClock    = 90000 // RFC 7741: VP8's RTP clock, in hertz
)

func (s *session) addVideo(screen Screen, moves bool) error {
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: videoClock}, "video", "desktop")
	if err != nil {
		return fmt.Errorf("make the video track: %w", err)
	}
	sender, err := s.pc.AddTrack(track)
	if err != nil {
		return fmt.Errorf("add the video track: %w", err)
	}
	if err := s.addInput(screen.Input, moves); err != nil {
		return err
	}
	keyFrame := make(chan struct{}, 1)
	// Ends when the sender stops, which Close brings about through the peer connection;
	// nothing waits for it.
	go watchFeedback(sender, keyFrame)
	s.work.Go(func() {
		if moves {
			defer screen.Input.Release()
		}
		if err := s.stream(track, screen, keyFrame); err != nil && s.ctx.Err() == nil {
			s.log.Error("the video ended", "error", err.Error())
			s.cancel()
		}
	})
	return nil
}

func (s *session) stream(track *webrtc.TrackLocalStaticRTP, screen Screen, keyFrame <-chan struct{}) error {
	if err := s.waitConnected(); err != nil {
		return err
	}
	// The library's own packets carry picture numbers from the second frame on only;
	// Chromium then waits three seconds for a key frame that has one. Without numbers in
	// any frame it goes by the packets' sequence. The track sets the type and source.
	packets := rtp.NewPacketizer(largestPacket, 0, 0, &codecs.VP8Payloader{}, rtp.NewRandomSequencer(), videoClock)
	err := video.Stream(s.ctx, screen.Group, screen.Settings, screen.Source, keyFrame, func(frame []byte, since time.Duration) error {
		packets.SkipSamples(uint32(since.Seconds() * videoClock))
		for _, packet := range packets.Packetize(frame, 0) {
			if err := track.WriteRTP(packet); err != nil {
				return err
			}
		}
		if s.app.frames.Add(1) == 1 {
			s.app.Mark("first frame sent")
		}
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// watchFeedback turns the browser's wishes for a key frame into at most one waiting wish.
func watchFeedback(sender *webrtc.RTPSender, keyFrame chan<- struct{}) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			switch p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				select {
				case keyFrame <- struct{}{}:
				default:
				}
			}
		}
	}
}

func (s *session) addInput(device *input.Device, moves bool) error {
	channel, err := s.pc.CreateDataChannel("input", nil)
	if err != nil {
		return fmt.Errorf("make the data channel: %w", err)
	}
	channel.OnOpen(func() { s.app.Mark("data channel open") })
	channel.OnMessage(func(m webrtc.DataChannelMessage) {
		if !moves || !m.IsString || len(m.Data) > largestInput {
			return
		}
		if err := device.Do(string(m.Data)); err != nil {
			s.log.Warn("ignored input", "error", err.Error())
		}
	})
	return nil
}
