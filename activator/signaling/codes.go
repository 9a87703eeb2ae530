package signaling

// Close codes of RFC 6455, section 7.4.1, and of its registry.
const (
	closeProtocol    = 1002
	closeUnsupported = 1003
	closeInvalidText = 1007
	closePolicy      = 1008
	closeRestart     = 1012
)
