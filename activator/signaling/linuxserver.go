package signaling

import (
	"strings"

	"github.com/org/vdi-operator/activator/closing"
)

// LinuxServer is the stream of linuxserver.io's desktop images: Selkies 2's text
// protocol on a socket beside the page, without a guard against quick reconnects
// (selkies 348bc4f, the branch lsio).
type LinuxServer struct{}

var _ Protocol = LinuxServer{}

// Name implements Protocol.
func (LinuxServer) Name() string { return "linuxserver" }

// Claims implements Protocol, under any prefix.
func (LinuxServer) Claims(path string) bool {
	return strings.HasSuffix(strings.TrimSuffix(path, "/"), "/websockets") && !Selkies2WebSockets{}.Claims(path)
}

// Traits implements Protocol. The client reloads its page 5 s after a close.
func (LinuxServer) Traits() Traits {
	return Traits{ReadsClient: true, Interrupted: closing.CodeRestart}
}

// Converse implements Protocol.
func (LinuxServer) Converse(Options) Conversation { return streaming{} }
