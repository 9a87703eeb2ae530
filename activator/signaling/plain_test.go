package signaling

import "testing"

func TestAnyOtherWebSocketIsHeldAndPlayedOn(t *testing.T) { replay(t, "plain", Plain) }
