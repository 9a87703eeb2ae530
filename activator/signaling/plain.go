package signaling

// Plain is any WebSocket: held and replayed without looking into it.
type Plain struct{}

var _ Protocol = Plain{}

// Name implements Protocol.
func (Plain) Name() string { return "websocket" }

// Claims implements Protocol: everything.
func (Plain) Claims(string) bool { return true }

// CheckFirst implements Protocol: anything may come first.
func (Plain) CheckFirst(bool, []byte) error { return nil }

// Signaling implements Protocol: a plain WebSocket may carry the video itself.
func (Plain) Signaling() bool { return false }
