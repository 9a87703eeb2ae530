package signaling

import "github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"

// LinuxServer is the stream of linuxserver.io's desktop images: Selkies 2's text
// protocol on a socket beside the page, without a guard against quick reconnects
// (selkies 348bc4f, the branch lsio). The client reloads its page 5 s after a close.
var LinuxServer = &Protocol{
	Name:     "linuxserver",
	named:    v1alpha1.ProtocolLinuxServer,
	claims:   func(path string) bool { return under("/websockets")(path) && !Selkies2WebSockets.claims(path) },
	Traits:   Traits{ReadsClient: true, SeesInput: true},
	Converse: func(o Options) Conversation { return stream(o, linuxServerSays) },
	ViewOnly: true,
}
