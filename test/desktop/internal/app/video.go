package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"
	"github.com/pion/webrtc/v3/pkg/media"

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

// largestInput bounds one message of the data channel.
const largestInput = 64 << 10

func (s *session) addVideo(screen Screen) error {
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, "video", "desktop")
	if err != nil {
		return fmt.Errorf("make the video track: %w", err)
	}
	sender, err := s.pc.AddTrack(track)
	if err != nil {
		return fmt.Errorf("add the video track: %w", err)
	}
	if err := s.addInput(screen.Input); err != nil {
		return err
	}
	keyFrame := make(chan struct{}, 1)
	// Ends when the sender stops, which Close brings about through the peer connection;
	// nothing waits for it.
	go watchFeedback(sender, keyFrame)
	s.work.Go(func() {
		defer screen.Input.Release()
		if err := s.stream(track, screen, keyFrame); err != nil && s.ctx.Err() == nil {
			s.log.Error("the video ended", "error", err.Error())
			s.cancel()
		}
	})
	return nil
}

func (s *session) stream(track *webrtc.TrackLocalStaticSample, screen Screen, keyFrame <-chan struct{}) error {
	if err := s.waitConnected(); err != nil {
		return err
	}
	err := video.Stream(s.ctx, screen.Group, screen.Settings, screen.Source, keyFrame, func(frame []byte, shown time.Duration) error {
		if err := track.WriteSample(media.Sample{Data: frame, Duration: shown}); err != nil {
			return err
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

func (s *session) addInput(device *input.Device) error {
	channel, err := s.pc.CreateDataChannel("input", nil)
	if err != nil {
		return fmt.Errorf("make the data channel: %w", err)
	}
	channel.OnOpen(func() { s.app.Mark("data channel open") })
	channel.OnMessage(func(m webrtc.DataChannelMessage) {
		if !m.IsString || len(m.Data) > largestInput {
			return
		}
		if err := device.Do(string(m.Data)); err != nil {
			s.log.Warn("ignored input", "error", err.Error())
		}
	})
	return nil
}
