package closing

// Close codes of RFC 6455, section 7.4.1, and of its registry.
const (
	CodeNormal      = 1000
	CodeGoingAway   = 1001
	CodeProtocol    = 1002
	CodeUnsupported = 1003
	CodeInvalidText = 1007
	CodePolicy      = 1008
	CodeTooBig      = 1009
	CodeInternal    = 1011
	CodeRestart     = 1012
	CodeTryAgain    = 1013
)

// Close codes of this product, in the range that RFC 6455 leaves to applications. The
// standard ones are used where they fit.
const (
	codeSignedOut     = 4401
	codePoweredOff    = 4403
	codeGone          = 4404
	codeShareEnded    = 4405
	codeStartFailed   = 4408
	codeUsedElsewhere = 4409
	codeAsleep        = 4410
	codeIdle          = 4411
)
