package workload

import (
	"fmt"
	"strings"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// holder is who holds a desktop to one thing that its policy forbids.
type holder int

const (
	// nobody does.
	nobody holder = iota
	// theImage does, which somebody with a shell in the desktop may tell otherwise.
	theImage
	// theActivator does, before the desktop or after it.
	theActivator
	// absent: desktops of the protocol have no such thing.
	absent
)

// holders are who holds the desktops of a protocol to what.
type holders struct{ clipboard, files, audio, microphone holder }

// heldBy is the table of docs/access.md. WebRTC goes past the activator, but Selkies 2 transfers
// files by HTTP in either mode (3a0bc7a, stream_server.py:1962-1967).
var heldBy = map[v1alpha1.StreamingProtocol]holders{
	v1alpha1.ProtocolSelkies1:           {clipboard: theImage, files: absent, audio: nobody, microphone: absent},
	v1alpha1.ProtocolSelkies2WebRTC:     {clipboard: theImage, files: theActivator, audio: theImage, microphone: theImage},
	v1alpha1.ProtocolSelkies2WebSockets: {theActivator, theActivator, theActivator, theActivator},
	v1alpha1.ProtocolLinuxServer:        {theActivator, theActivator, theActivator, theActivator},
	v1alpha1.ProtocolWebSocket:          {},
}

// Enforced says whether all that a policy forbids is kept back before a desktop of the protocol
// or after it, and if not what is not.
func Enforced(p *v1alpha1.AccessPolicy, protocol v1alpha1.StreamingProtocol) (is bool, reason, message string) {
	var marks string
	if p.Watermark != "" {
		marks = " The watermark is shown by the page: whoever has developer tools can take it away."
	}
	by, known := heldBy[protocol]
	if p.Restricts() && !known {
		return false, v1alpha1.ReasonProtocolUnknown, "What is enforced is known once somebody has used the desktop. Until then the activator " +
			"lets only protocols pass in which it finds what is forbidden. Name the protocol in the template's spec.streaming.protocol." + marks
	}
	var byImage, byNobody []string
	for _, one := range []struct {
		what   string
		allows bool
		by     holder
	}{
		{"clipboard", p.ClipboardIn() && p.ClipboardOut(), by.clipboard},
		{"files", p.Uploads() && p.Downloads(), by.files},
		{"audio", p.Hears(), by.audio},
		{"microphone", p.Speaks(), by.microphone},
	} {
		switch {
		case one.allows:
		case one.by == nobody:
			byNobody = append(byNobody, one.what)
		case one.by == theImage:
			byImage = append(byImage, one.what)
		}
	}
	var said []string
	if len(byNobody) > 0 {
		said = append(said, fmt.Sprintf("Not enforced with protocol %s: %s.", protocol, strings.Join(byNobody, ", ")))
	}
	if len(byImage) > 0 {
		said = append(said, fmt.Sprintf("Enforced by the image alone, because WebRTC goes past the activator: %s.", strings.Join(byImage, ", ")))
	}
	message = strings.TrimSpace(strings.Join(said, " ") + marks)
	switch {
	case len(byNobody) > 0:
		return false, v1alpha1.ReasonNotEnforced, message
	case len(byImage) > 0:
		return false, v1alpha1.ReasonImageAlone, message
	}
	return true, v1alpha1.ReasonEnforced, message
}
