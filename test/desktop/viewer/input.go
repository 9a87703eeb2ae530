package viewer

import (
	"context"
	"errors"
	"fmt"

	"github.com/pion/webrtc/v3"
)

// SendInput sends a message of Selkies' text format over the data channel, or over the
// socket in WebSockets mode: "kd,<keysym>", "ku,<keysym>", "m,x,y,buttons,scroll",
// "m2,...". WaitInput says when it can be sent.
func (v *Viewer) SendInput(text string) error {
	if v.stream != nil {
		return v.stream.write(text)
	}
	v.video.mu.Lock()
	input := v.video.input
	v.video.mu.Unlock()
	if input == nil {
		return fmt.Errorf("send input %q: the data channel is not open (%s)", text, v.progress())
	}
	if err := input.SendText(text); err != nil {
		return fmt.Errorf("send input %q: %w", text, err)
	}
	return nil
}

// WaitInput waits until input can be sent.
func (v *Viewer) WaitInput(ctx context.Context) error {
	if v.stream != nil {
		return nil
	}
	return v.wait(ctx, "the data channel", func(Stats) bool {
		v.video.mu.Lock()
		defer v.video.mu.Unlock()
		return v.video.input != nil
	})
}

// CandidatePair is how media travels.
type CandidatePair struct {
	// Types: host, srflx, prflx or relay.
	LocalType, RemoteType string
	// Addresses, host:port.
	Local, Remote string
	Protocol      string // udp or tcp, of the local candidate
}

// Relayed reports whether media goes through a TURN server.
func (c CandidatePair) Relayed() bool {
	relay := webrtc.ICECandidateTypeRelay.String()
	return c.LocalType == relay || c.RemoteType == relay
}

func (c CandidatePair) String() string {
	return fmt.Sprintf("%s %s -> %s %s (%s)", c.LocalType, c.Local, c.RemoteType, c.Remote, c.Protocol)
}

// SelectedCandidatePair says how video travels, once it does.
func (v *Viewer) SelectedCandidatePair() (CandidatePair, error) {
	if v.video == nil {
		return CandidatePair{}, errors.New("no candidate pair: this protocol has none")
	}
	v.video.mu.Lock()
	pc := v.video.pc
	v.video.mu.Unlock()
	if pc == nil || pc.SCTP() == nil || pc.SCTP().Transport() == nil {
		return CandidatePair{}, errors.New("no candidate pair: there is no connection yet (" + v.progress() + ")")
	}
	pair, err := pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil {
		return CandidatePair{}, fmt.Errorf("no candidate pair is selected yet (%s): %w", v.progress(), errors.Join(err, v.Err()))
	}
	address := func(c *webrtc.ICECandidate) string { return fmt.Sprintf("%s:%d", c.Address, c.Port) }
	return CandidatePair{
		LocalType: pair.Local.Typ.String(), RemoteType: pair.Remote.Typ.String(),
		Local: address(pair.Local), Remote: address(pair.Remote), Protocol: pair.Local.Protocol.String(),
	}, nil
}
