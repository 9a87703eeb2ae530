package closing

import (
	"fmt"
	"net/http"
	"slices"
)

// Refusal is one row of the table: a reason for which the activator ends a connection or
// refuses a request. errors.Is finds it in an Ending.
type Refusal struct {
	// Label is the reason in vdi_activator_refusals_total. Rows without one are not
	// counted: nobody was turned away.
	Label string
	// Code closes a WebSocket; 0 if none can end for this reason.
	Code int
	// Status answers a plain request; 0 if none is answered by us.
	Status int
	// Title heads the page that a browser gets; empty if there is no such page.
	Title string
	// Text is the sentence for the person, a format of package fmt.
	Text string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// Ending returns the refusal as an ending; args complete its text.
func (r *Refusal) Ending(args ...any) *Ending {
	return &Ending{Code: r.Code, Reason: fmt.Sprintf(r.Text, args...), Refusal: r}
}

// table has every row.
var table []*Refusal

func row(r Refusal) *Refusal {
	table = append(table, &r)
	return &r
}

// Labels returns every label once. Each has a series from the start: to Prometheus a
// counter that appears with one has not increased.
func Labels() []string {
	var labels []string
	for _, r := range table {
		if r.Label != "" && !slices.Contains(labels, r.Label) {
			labels = append(labels, r.Label)
		}
	}
	return labels
}

// Visitors that are not let in.
var (
	UnknownHost = row(Refusal{Label: "unknown_host", Status: http.StatusNotFound, Title: "There is no desktop here",
		Text: "The address is not one of a desktop. Check it, or ask whoever gave it to you."})
	NoToken = row(Refusal{Label: "no_token", Status: http.StatusUnauthorized, Title: "You need a link to open this desktop",
		Text: "Open it with the link you were given. If you have none, ask your administrator; they make one with: kubectl vdi link SESSION --namespace NAMESPACE"})
	BadToken = row(Refusal{Label: "bad_token", Status: http.StatusUnauthorized, Title: "This link does not work",
		Text: "It is incomplete, or was not made by this installation. Copy the whole link again, or ask for a new one."})
	ExpiredToken = row(Refusal{Label: "expired_token", Status: http.StatusUnauthorized, Title: "This link has expired",
		Text: "Ask your administrator for a new one."})
	NotYetToken = row(Refusal{Label: "not_yet_token", Status: http.StatusUnauthorized, Title: "This link is not valid yet",
		Text: "It was made by a clock that is ahead of this one. Open it again in a moment; if that does not help, tell your administrator."})
	ForeignToken = row(Refusal{Label: "foreign_token", Status: http.StatusForbidden, Title: "This link is for another desktop",
		Text: "It does not open this one. Use the link that you were given for this desktop."})
	Speculative = row(Refusal{Label: "speculative", Status: http.StatusServiceUnavailable, Title: "Open this address to see your desktop",
		Text: "It wakes a desktop when a person opens it. Nothing is loaded ahead of that, or for a preview."})
	LinksOff = row(Refusal{Label: "links_off", Status: http.StatusForbidden, Title: "Links do not work here",
		Text: "This installation takes no links. Sign in, or ask your administrator how to get in."})
	LinkUsedUp = row(Refusal{Label: "link_used_up", Status: http.StatusForbidden, Title: "This link has been used up",
		Text: "It was opened as often as it may be. Ask whoever gave it to you for a new one."})
	LinkRate = row(Refusal{Label: "link_rate", Status: http.StatusTooManyRequests, Title: "This link is opened too often just now",
		Text: "Open it again in a minute."})
	LinkNotCounted = row(Refusal{Label: "link_not_counted", Status: http.StatusServiceUnavailable, Title: "This link cannot be opened just now",
		Text: "Open it again in a moment."})
	IssuerAway = row(Refusal{Label: "issuer_away", Status: http.StatusServiceUnavailable, Title: "This token cannot be checked just now",
		Text: "Its issuer does not answer. Try again in a moment."})
	NotShared = row(Refusal{Label: "not_shared", Status: http.StatusForbidden, Title: "This desktop is not shared with you",
		Text: "Ask its owner to share it with you, or sign in as somebody else."})
	HandOver = row(Refusal{Label: "handover", Status: http.StatusForbidden, Title: "This way in cannot be used again",
		Text: "It works once, and for a minute. Open your desktop's address again."})
	HandOverBrowser = row(Refusal{Label: "handover_browser", Status: http.StatusForbidden, Title: "This way in belongs to another browser",
		Text: "You did not begin to sign in with this one. Open your desktop's address again."})
	HandOverAddressRate = row(Refusal{Label: "handovers_per_address", Status: http.StatusTooManyRequests,
		Title: "Too many people come in at once", Text: "They come from your network. Wait a few seconds, and load this page again."})
	HandOverRate = row(Refusal{Label: "handovers", Status: http.StatusTooManyRequests, Title: "Too many people come in at once",
		Text: "Wait a few seconds, and load this page again."})
	PortalAway = row(Refusal{Label: "portal_away", Status: http.StatusServiceUnavailable, Title: "Signing in does not work just now",
		Text: "The portal does not answer. This page tries again by itself; if that does not help, tell your administrator."})
	ForeignOrigin = row(Refusal{Label: "foreign_origin", Status: http.StatusForbidden, Title: "Request from another site refused",
		Text: "A page of another site tried to use this desktop."})
)

// What somebody was let in by has ended, or allows less.
var (
	SignedOut = row(Refusal{Label: "signed_out", Code: codeSignedOut, Status: http.StatusUnauthorized, Title: "You are signed out",
		Text: "Open this desktop's address again to sign in."})
	ShareEnded = row(Refusal{Label: "share_ended", Code: codeShareEnded, Status: http.StatusForbidden,
		Title: "This desktop is no longer shared with you", Text: "Ask its owner to share it with you again."})
	LinkExpired = row(Refusal{Label: "link_expired", Code: codeSignedOut, Status: http.StatusUnauthorized,
		Title: "Your link has expired", Text: "Ask your administrator for a new one."})
	RoleChanged = row(Refusal{Label: "role_changed", Code: CodeRestart, Status: http.StatusServiceUnavailable,
		Text: "what you may do in this desktop has changed: reconnect"})
	ViewOnly = row(Refusal{Label: "view_only", Code: CodePolicy, Status: http.StatusForbidden,
		Text: "you may look at this desktop, and nothing else"})
	ViewOnlyProtocol = row(Refusal{Label: "view_only_protocol", Code: CodePolicy, Status: http.StatusForbidden,
		Title: "This desktop cannot be shown to viewers",
		Text:  "The way it is shown knows no viewers: whoever sees it could type in it. Ask its owner to let you control it."})
	AccessFiles = row(Refusal{Label: "access_files", Code: CodePolicy, Status: http.StatusForbidden,
		Title: "Files do not pass here",
		Text:  "What may pass between this desktop and your computer is set by your administrator: files may not, or not this way."})
	AccessPassage = row(Refusal{Label: "access_passage", Code: CodePolicy, Status: http.StatusForbidden,
		Title: "This does not pass here",
		Text:  "At this address a program in the desktop could say anything, so your administrator lets nothing pass."})
	AccessProtocol = row(Refusal{Label: "access_protocol", Code: CodePolicy, Status: http.StatusForbidden,
		Text: "this desktop's access policy lets no WebSocket of this path pass"})
	AccessChanged = row(Refusal{Label: "access_changed", Code: CodeRestart, Status: http.StatusServiceUnavailable,
		Text: "what may pass between you and this desktop has changed: reconnect"})
	ViewerAsleep = row(Refusal{Label: "viewer_asleep", Code: CodeTryAgain, Status: http.StatusServiceUnavailable,
		Text: "this desktop is asleep, and viewers do not wake it"})
)

// Desktops that cannot be reached, or not any more.
var (
	PoweredOff = row(Refusal{Label: "powered_off", Code: codePoweredOff, Status: http.StatusServiceUnavailable,
		Title: "This desktop is switched off",
		Text:  "Your administrator has switched off this desktop. Ask them to switch it on again."})
	Asleep = row(Refusal{Label: "asleep", Code: codeAsleep, Status: http.StatusServiceUnavailable,
		Text: "this desktop was put to sleep (%s)"})
	StartFailed = row(Refusal{Label: "start_failed", Code: codeStartFailed, Status: http.StatusServiceUnavailable,
		Text: "this desktop did not start: %s"})
	HoldTimeout = row(Refusal{Label: "hold_timeout", Code: CodeTryAgain, Status: http.StatusServiceUnavailable,
		Text: "the desktop did not answer in time"})
	DesktopRejected = row(Refusal{Label: "desktop_rejected", Code: CodeInternal,
		Text: "the desktop refused the connection: %s"})
	Subprotocol = row(Refusal{Label: "desktop_subprotocol", Code: CodeInternal,
		Text: "the desktop speaks the subprotocol %.20q, but the client was told %.20q; connect again"})
	UsedElsewhere = row(Refusal{Label: "used_elsewhere", Code: codeUsedElsewhere,
		Text: "the desktop is used in another tab"})
	RelayIdle = row(Refusal{Label: "relay_idle", Code: codeIdle,
		Text: "nothing was said for %s"})
	Gone = row(Refusal{Code: codeGone, Status: http.StatusServiceUnavailable,
		Text: "this session was deleted"})
	Unreachable = row(Refusal{Code: CodeInternal, Status: http.StatusServiceUnavailable,
		Text: "the desktop cannot be reached"})
	// Interrupted has a code that the clients of all protocols follow by coming back: Selkies
	// 2 stays down after 4000 and 4001, and takes 1000 for its own wish.
	Interrupted = row(Refusal{Code: CodeRestart,
		Text: "the connection to the desktop ended"})
	BrokenOff = row(Refusal{Status: http.StatusBadGateway, Title: "Your desktop cannot be reached just now",
		Text: "Load the page again in a moment."})
	ShuttingDown = row(Refusal{Code: CodeRestart, Status: http.StatusServiceUnavailable,
		Text: "the gateway restarts: reconnect"})
	Failed = row(Refusal{Code: CodeInternal, Status: http.StatusInternalServerError,
		Text: "the gateway failed"})
)

// Limits; docs/operations/limits.md names the value of each.
var (
	ReplicaLimit = row(Refusal{Label: "held_connections", Code: CodeTryAgain, Status: http.StatusServiceUnavailable,
		Text: "too many connections are waiting here (%d); try again later"})
	SessionLimit = row(Refusal{Label: "held_connections_per_session", Code: CodeTryAgain, Status: http.StatusServiceUnavailable,
		Text: "too many connections are waiting for this desktop (%d); try again later"})
	LiveRequests = row(Refusal{Label: "live_requests", Status: http.StatusServiceUnavailable,
		Text: "too many requests are under way here (%d); try again later"})
	LiveRequestsPerSession = row(Refusal{Label: "live_requests_per_session", Status: http.StatusServiceUnavailable,
		Text: "too many requests of this desktop are under way (%d); try again later"})
	LiveWebSockets = row(Refusal{Label: "live_websockets", Code: CodeTryAgain, Status: http.StatusServiceUnavailable,
		Text: "too many WebSockets are open here (%d); try again later"})
	LiveWebSocketsPerSession = row(Refusal{Label: "live_websockets_per_session", Code: CodeTryAgain, Status: http.StatusServiceUnavailable,
		Text: "too many WebSockets of this desktop are open (%d); close some of its tabs"})
	HeldBytes = row(Refusal{Label: "held_bytes", Code: CodeTryAgain,
		Text: "all that waits here has sent more than %d bytes; try again later"})
	HeldBytesPerSession = row(Refusal{Label: "held_bytes_per_session", Code: CodeTryAgain,
		Text: "all that waits for this desktop has sent more than %d bytes; try again later"})
	BufferedBytes = row(Refusal{Label: "buffered_bytes", Code: CodeTooBig,
		Text: "more than %d bytes were sent before the desktop was there"})
	BufferedFrames = row(Refusal{Label: "buffered_frames", Code: CodePolicy,
		Text: "more than %d messages were sent before the desktop was there"})
	MessageTooLong = row(Refusal{Label: "message_bytes", Code: CodeTooBig,
		Text: "a message is longer than %d bytes"})
	Candidates = row(Refusal{Label: "candidates", Code: CodePolicy,
		Text: "more than %d ICE candidates on one connection"})
	Pages = row(Refusal{Label: "pages_per_session", Status: http.StatusServiceUnavailable,
		Text: "too many pages of this desktop are open (%d); this one asks from time to time"})
	UserRate = row(Refusal{Label: "upgrades_per_user", Status: http.StatusTooManyRequests,
		Text: "too many WebSockets were opened by you in a short time; try again in a moment"})
	AddressRate = row(Refusal{Label: "upgrades_per_address", Status: http.StatusTooManyRequests,
		Text: "too many WebSockets were opened by this address in a short time; try again in a moment"})
	RefusalRate = row(Refusal{Label: "refusals_per_address", Status: http.StatusTooManyRequests,
		Text: "too many links that do not work were tried from this address in a short time; try again in a moment"})
	Pending = row(Refusal{Label: "pending_connections", Status: http.StatusServiceUnavailable,
		Text: "too many connections wait here for their first request; try again later"})
	PendingPerAddress = row(Refusal{Label: "pending_connections_per_address", Status: http.StatusServiceUnavailable,
		Text: "too many connections of this address wait here for their first request; try again later"})
	DesktopHeaderBytes = row(Refusal{Label: "desktop_header_bytes", Code: CodeInternal, Status: http.StatusBadGateway,
		Title: "Your desktop gave an answer that cannot be passed on", Text: "the head of its answer is longer than %d bytes"})
	DesktopHeaderFields = row(Refusal{Label: "desktop_header_fields", Code: CodeInternal, Status: http.StatusBadGateway,
		Title: "Your desktop gave an answer that cannot be passed on", Text: "the head of its answer has more than %d fields"})
	// net/http answers these two itself.
	HeaderTimeout = row(Refusal{Label: "header_timeout"})
	HeaderBytes   = row(Refusal{Label: "header_bytes"})
)

// Requests that are not HTTP/1.1, or ask for no WebSocket of RFC 6455.
var (
	// MalformedHead is answered by net/http itself.
	MalformedHead = row(Refusal{Label: "malformed_head"})
	HTTP2         = row(Refusal{Label: "http2", Status: http.StatusHTTPVersionNotSupported,
		Text: "HTTP/2 is not supported here without TLS; use HTTP/1.1"})
	H2CUpgrade = row(Refusal{Label: "h2c_upgrade", Status: http.StatusHTTPVersionNotSupported,
		Text: "an upgrade to HTTP/2 (h2c) is not offered; ask again without it"})
	HTTP10Upgrade = row(Refusal{Label: "http10_upgrade", Status: http.StatusHTTPVersionNotSupported,
		Text: "an upgrade needs HTTP/1.1"})
	UpgradeVersion = row(Refusal{Label: "upgrade_version", Status: http.StatusUpgradeRequired,
		Text: "only version 13 of the WebSocket protocol is supported here (RFC 6455)"})
	UpgradeMethod = row(Refusal{Label: "upgrade_method", Status: http.StatusMethodNotAllowed,
		Text: "a WebSocket is opened with GET"})
	UpgradeKey = row(Refusal{Label: "upgrade_key", Status: http.StatusBadRequest,
		Text: "the request has no valid Sec-WebSocket-Key"})
	UpgradeSubprotocol = row(Refusal{Label: "upgrade_subprotocol", Status: http.StatusBadRequest,
		Text: "the request has no valid Sec-WebSocket-Protocol"})
)

// Frames against RFC 6455.
var (
	FrameMask = row(Refusal{Label: "frame_mask", Code: CodeProtocol,
		Text: "frames of a client must be masked, and those of a desktop must not"})
	FrameReserved = row(Refusal{Label: "frame_reserved_bits", Code: CodeProtocol,
		Text: "a frame has reserved bits set, but no extension was agreed on"})
	FrameOpcode = row(Refusal{Label: "frame_opcode", Code: CodeProtocol,
		Text: "a frame has an unknown opcode"})
	FrameControl = row(Refusal{Label: "frame_control", Code: CodeProtocol,
		Text: "a control frame is fragmented or longer than 125 bytes"})
	FrameOrder = row(Refusal{Label: "frame_order", Code: CodeProtocol,
		Text: "frames out of order: %s"})
	FrameLength = row(Refusal{Label: "frame_length", Code: CodeProtocol,
		Text: "a frame's length is not in the shortest form, which RFC 6455 requires"})
)

// Messages against the desktop's protocol.
var (
	Protocol = row(Refusal{Label: "protocol", Code: CodeProtocol,
		Text: "invalid protocol: %s"})
	Binary = row(Refusal{Label: "binary_message", Code: CodeUnsupported,
		Text: "a binary message on a signaling connection, which takes text only"})
	Encoding = row(Refusal{Label: "invalid_utf8", Code: CodeInvalidText,
		Text: "a text message is not valid UTF-8"})
	SecondHello = row(Refusal{Label: "second_hello", Code: CodeProtocol,
		Text: "a second HELLO: open a new connection to begin again"})
	DesktopPeer = row(Refusal{Label: "desktop_peer", Code: CodePolicy,
		Text: "a HELLO as the desktop's own peer; viewers have other ones"})
	SDP = row(Refusal{Label: "sdp_invalid", Code: CodeProtocol,
		Text: "a session description that cannot be read"})
	Candidate = row(Refusal{Label: "candidate_invalid", Code: CodeProtocol,
		Text: "an ICE candidate that cannot be read"})
)

// What a pod's agent sent that is not believed.
var (
	AgentToken = row(Refusal{Label: "agent_token", Status: http.StatusForbidden,
		Text: "%s"})
	AgentAddress = row(Refusal{Label: "agent_address", Status: http.StatusConflict,
		Text: "%s"})
	AgentReport = row(Refusal{Label: "agent_report", Status: http.StatusBadRequest,
		Text: "not a report: %s"})
	AgentOfAnotherPod = row(Refusal{Label: "agent_report", Status: http.StatusConflict,
		Text: "the report is not of the pod that the session's desktop is"})
)
