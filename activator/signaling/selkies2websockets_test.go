package signaling

import "testing"

func TestSelkies2WebSocketsAreHeldAndWatchedForInput(t *testing.T) {
	replay(t, "selkies2-websockets", Selkies2WebSockets)
}
