package access

import "github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"

// Watching is who keeps a Viewer of a desktop to looking.
type Watching string

const (
	// ByActivator says that nothing but what shows the stream is passed on.
	ByActivator Watching = "Activator"
	// ByDesktop says that input goes past the activator: the desktop, which is told who looks only,
	// is trusted with it.
	ByDesktop Watching = "Desktop"
	// ByNobody says that desktops of the protocol know no viewers: none is let in.
	ByNobody Watching = "Nobody"
)

// WatchingOf is who does with desktops of a protocol; of one that is not known yet the least that
// may come of it.
func WatchingOf(p v1alpha1.StreamingProtocol) Watching {
	switch p {
	case v1alpha1.ProtocolSelkies2WebSockets, v1alpha1.ProtocolLinuxServer:
		return ByActivator
	case v1alpha1.ProtocolSelkies1, v1alpha1.ProtocolWebSocket:
		return ByNobody
	}
	return ByDesktop
}
