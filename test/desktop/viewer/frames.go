package viewer

import (
	"fmt"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"
)

// largestFrame bounds the memory for one frame.
const largestFrame = 4 << 20

// assembler puts packets together to whole frames. Packets must come in order: a gap
// spoils the frame it is in, and all up to the next key frame.
type assembler struct {
	frame   []byte
	started bool // frame holds a beginning
	next    uint16
	any     bool // a packet was seen
	keyed   bool // every frame since the last key frame was whole
}

// frame is a whole VP8 frame.
type frame struct {
	bytes         int
	key           bool
	width, height int // of a key frame
}

// add takes a packet. It returns a frame when that is whole; lost tells that packets were
// missing since the last call.
func (a *assembler) add(p *rtp.Packet) (whole *frame, lost bool, err error) {
	if a.any && p.SequenceNumber != a.next {
		if int16(p.SequenceNumber-a.next) < 0 {
			return nil, false, nil // a packet from the past, sent again
		}
		lost = true
		a.started, a.keyed = false, false
	}
	a.any, a.next = true, p.SequenceNumber+1
	var vp8 codecs.VP8Packet
	payload, err := vp8.Unmarshal(p.Payload)
	if err != nil {
		return nil, lost, fmt.Errorf("RTP packet %d is not VP8: %w", p.SequenceNumber, err)
	}
	if vp8.S == 1 && vp8.PID == 0 {
		a.frame, a.started = a.frame[:0], true
	}
	if !a.started {
		return nil, lost, nil
	}
	if len(a.frame)+len(payload) > largestFrame {
		return nil, lost, fmt.Errorf("a VP8 frame is larger than %d bytes", largestFrame)
	}
	a.frame = append(a.frame, payload...)
	if !p.Marker {
		return nil, lost, nil
	}
	a.started = false
	f, err := parseFrame(a.frame)
	if err != nil {
		return nil, lost, err
	}
	a.keyed = a.keyed || f.key
	if !a.keyed {
		return nil, lost, nil // cannot be decoded without a key frame before it
	}
	return f, lost, nil
}

// parseFrame reads a frame's header (RFC 6386, section 9.1).
func parseFrame(data []byte) (*frame, error) {
	const tagSize, keyHeaderSize = 3, 10
	if len(data) < tagSize {
		return nil, fmt.Errorf("a VP8 frame of %d bytes has no header", len(data))
	}
	f := &frame{bytes: len(data), key: data[0]&1 == 0}
	if !f.key {
		return f, nil
	}
	if len(data) < keyHeaderSize || data[3] != 0x9d || data[4] != 0x01 || data[5] != 0x2a {
		return nil, fmt.Errorf("a VP8 key frame begins with % x, want the start code 9d 01 2a after three bytes", data[:min(len(data), keyHeaderSize)])
	}
	// The two highest bits are the scale.
	f.width = int(data[6]) | int(data[7]&0x3f)<<8
	f.height = int(data[8]) | int(data[9]&0x3f)<<8
	if f.width == 0 || f.height == 0 {
		return nil, fmt.Errorf("a VP8 key frame says its size is %dx%d", f.width, f.height)
	}
	return f, nil
}

// watch counts the frames of a track until its connection closes.
func (p *peer) watch(pc *webrtc.PeerConnection, track *webrtc.TrackRemote) {
	a := &assembler{}
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		if len(packet.Payload) == 0 {
			a.next, a.any = packet.SequenceNumber+1, true // padding that measures bandwidth
			continue
		}
		whole, lost, err := a.add(packet)
		if err != nil {
			p.viewer.end(fmt.Errorf("video: %w", err))
			return
		}
		if lost {
			_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}})
			p.viewer.count(func(s *Stats) { s.Broken++ })
		}
		if whole == nil {
			continue
		}
		p.viewer.event(EventFirstFrame)
		p.viewer.count(func(s *Stats) {
			s.Frames++
			s.Bytes += whole.bytes
			if whole.key {
				s.KeyFrames++
				s.Width, s.Height = whole.width, whole.height
			}
		})
	}
}

// listen counts the packets of an audio track until its connection closes.
func (p *peer) listen(track *webrtc.TrackRemote) {
	for {
		if _, _, err := track.ReadRTP(); err != nil {
			return
		}
		p.viewer.event(EventAudioPacket)
		p.viewer.count(func(s *Stats) { s.AudioPackets++ })
	}
}
