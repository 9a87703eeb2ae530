package metrics

// Refusals lists every reason of vdi_activator_refusals_total, so that each has a
// series from the start: an increase from nothing to one is no increase to Prometheus.
var Refusals = []Refusal{
	RefusedUnknownHost, RefusedNoToken, RefusedBadToken, RefusedExpiredToken, RefusedForeignToken, RefusedForeignOrigin,
	RefusedPoweredOff, RefusedAsleep, RefusedStartFailed, RefusedHoldTimeout, RefusedSessionLimit, RefusedReplicaLimit,
	RefusedBufferedBytes, RefusedBufferedFrames, RefusedMessageTooLong, RefusedProtocol, RefusedBinary, RefusedEncoding,
	RefusedSecondHello, RefusedDesktopPeer, RefusedSDP, RefusedCandidate, RefusedCandidates, RefusedDesktopRejected, RefusedUsedElsewhere,
	RefusedAgentToken, RefusedAgentAddress, RefusedAgentReport,
	RefusedPages, RefusedUserRate, RefusedAddressRate, RefusedPending, RefusedPendingPerAddress,
	RefusedHeaderTimeout, RefusedHeaderBytes, RefusedMalformedHead, RefusedHTTP2, RefusedH2CUpgrade, RefusedHTTP10Upgrade,
	RefusedUpgradeVersion, RefusedUpgradeMethod, RefusedUpgradeKey,
	RefusedFrameMask, RefusedFrameReserved, RefusedFrameOpcode, RefusedFrameControl, RefusedFrameOrder, RefusedFrameLength, RefusedRelayIdle,
}
