package signaling

import "testing"

func TestLinuxServerImagesAreHeldAndWatchedForInput(t *testing.T) {
	replay(t, "linuxserver", LinuxServer)
}
