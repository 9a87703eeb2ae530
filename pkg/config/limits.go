package config

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Limits bound what visitors can make the activator keep. LimitTable has their defaults,
// bounds and refusals.
type Limits struct {
	// HeldConnections is the number of connections one replica holds.
	HeldConnections int `json:"heldConnections"`
	// HeldConnectionsPerSession is the number held for one session.
	HeldConnectionsPerSession int `json:"heldConnectionsPerSession"`
	// HeldBytes is what one replica keeps of WebSockets until their desktop speaks; HeldBytesPerSession
	// is what it keeps for one session.
	HeldBytes           int `json:"heldBytes"`
	HeldBytesPerSession int `json:"heldBytesPerSession"`
	// BufferedBytes and BufferedFrames bound what one held connection may send.
	BufferedBytes  int `json:"bufferedBytes"`
	BufferedFrames int `json:"bufferedFrames"`
	// MessageBytes is the longest message on a signaling socket.
	MessageBytes int `json:"messageBytes"`
	// Candidates is how many ICE candidates each side of a signaling socket may name.
	Candidates int `json:"candidates"`
	// LiveRequests is the number of plain requests that one replica passes or holds;
	// LiveRequestsPerSession is the number for one session.
	LiveRequests           int `json:"liveRequests"`
	LiveRequestsPerSession int `json:"liveRequestsPerSession"`
	// LiveWebSockets is the number of WebSockets that one replica relays or holds;
	// LiveWebSocketsPerSession is the number for one session.
	LiveWebSockets           int `json:"liveWebSockets"`
	LiveWebSocketsPerSession int `json:"liveWebSocketsPerSession"`
	// HoldHTTP is how long a plain HTTP request is held before 503.
	HoldHTTP metav1.Duration `json:"holdHTTP"`
	// HoldTime is how long a WebSocket is held at most, also where the startup
	// timeout is longer or off.
	HoldTime metav1.Duration `json:"holdTime"`
	// RelayIdleTimeout ends a relayed WebSocket on which nothing was said for so long;
	// 0 never does.
	RelayIdleTimeout metav1.Duration `json:"relayIdleTimeout"`
	// HeaderTimeout bounds how long a client may take to send its request head, and body and
	// answer of a request that has no place among the live; HeaderBytes how long that head may be.
	HeaderTimeout metav1.Duration `json:"headerTimeout"`
	HeaderBytes   int             `json:"headerBytes"`
	// DesktopHeaderBytes and DesktopHeaderFields bound the head of a desktop's answer.
	DesktopHeaderBytes  int `json:"desktopHeaderBytes"`
	DesktopHeaderFields int `json:"desktopHeaderFields"`
	// PendingConnections is the number of connections on which one replica still
	// waits for the first request; PendingConnectionsPerAddress is the number from
	// one address that is not a trusted proxy's.
	PendingConnections           int `json:"pendingConnections"`
	PendingConnectionsPerAddress int `json:"pendingConnectionsPerAddress"`
	// IdleConnections is the number of connections that one replica keeps open for
	// further requests; others are closed after their request.
	IdleConnections int `json:"idleConnections"`
	// PagesPerSession is the number of a session's open pages to which one replica sends
	// each change; further ones poll.
	PagesPerSession int `json:"pagesPerSession"`
	// ClientCacheBytes is what one replica keeps of desktops' clients, to serve them
	// while the desktop starts; 0 switches that off.
	ClientCacheBytes int64 `json:"clientCacheBytes"`
	// UpgradesPerUser and UpgradesPerAddress bound how often WebSockets are opened.
	UpgradesPerUser    Rate `json:"upgradesPerUser"`
	UpgradesPerAddress Rate `json:"upgradesPerAddress"`
	// ThawTimeout bounds one order to thaw a dozing desktop; ThawsAtOnce is how many of them one
	// replica has on their way.
	ThawTimeout metav1.Duration `json:"thawTimeout"`
	ThawsAtOnce int             `json:"thawsAtOnce"`
	// StandInTime is how long an agent stands in for a person's client at most; 0 never does.
	StandInTime metav1.Duration `json:"standInTime"`
	// RefusalsPerAddress bounds how often visitors of an address may show no token, or one
	// that does not open the session.
	RefusalsPerAddress Rate `json:"refusalsPerAddress"`
	// HandoversPerAddress and Handovers bound the codes by which browsers come from the portal,
	// which is asked about each.
	HandoversPerAddress Rate `json:"handoversPerAddress"`
	Handovers           Rate `json:"handovers"`
}

// Rate is a token bucket.
type Rate struct {
	// PerSecond is how many come back each second.
	PerSecond float64 `json:"perSecond"`
	// Burst is how many there are at most.
	Burst int `json:"burst"`
}

// HoldFor is how long a WebSocket is held for a desktop with this startup timeout,
// zero being none. The margin lets the operator's reason for a failed start come
// before ours.
func (l Limits) HoldFor(startupTimeout time.Duration) time.Duration {
	const margin = 30 * time.Second
	if startupTimeout <= 0 {
		return l.HoldTime.Duration
	}
	return min(startupTimeout+margin, l.HoldTime.Duration)
}

// Limit is one row of the table. Its numbers are nanoseconds where the value is a duration.
type Limit struct {
	// Name is the key below limits, in this configuration and in the chart.
	Name string
	// Refusal is the reason in vdi_activator_refusals_total; empty if nobody is refused.
	Refusal string
	Default float64
	// Min is the least value; with Above the value must exceed it. Max is the greatest.
	Min, Max float64
	Above    bool
	// ZeroIsOff allows 0 below Min.
	ZeroIsOff bool

	remedy string
	field  func(*Limits) any
}

// The greatest values: what is above them is a slip of the hand, and computing with it could
// overflow. They are round in tens, as Helm writes them in its errors.
const (
	// maxCount is about how many files Linux lets a process have (fs.nr_open).
	maxCount = 1e6
	// maxKept, in bytes, is more memory than a replica has; maxMessage and maxHead are more
	// than anybody says at once.
	maxKept    = 1e12
	maxMessage = 1e9
	maxHead    = 1e7
	maxTime    = float64(lifecycle.Longest)
)

// LimitTable has every limit; values.yaml, its schema and docs/operations/limits.md are checked against it.
var LimitTable = []Limit{
	{Name: "heldConnections", Refusal: "held_connections", Default: 10000, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.HeldConnections }},
	{Name: "heldConnectionsPerSession", Refusal: "held_connections_per_session", Default: 16, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.HeldConnectionsPerSession }},
	{Name: "heldBytes", Refusal: "held_bytes", Default: 256 << 20, Min: 1 << 20, Max: maxKept,
		remedy: "must be 1048576 or more, or a few desktops' clients do not fit", field: func(l *Limits) any { return &l.HeldBytes }},
	// As many as a session may hold, each with all of bufferedBytes, and as much again.
	{Name: "heldBytesPerSession", Refusal: "held_bytes_per_session", Default: 8 << 20, Min: 64 << 10, Max: maxKept,
		remedy: "must be 65536 or more, or one desktop's client does not fit", field: func(l *Limits) any { return &l.HeldBytesPerSession }},
	// A request costs some 30 KiB and five goroutines, a relayed WebSocket some 10 KiB.
	{Name: "liveRequests", Refusal: "live_requests", Default: 2000, Min: 1, Max: maxCount, field: func(l *Limits) any { return &l.LiveRequests }},
	{Name: "liveRequestsPerSession", Refusal: "live_requests_per_session", Default: 128, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.LiveRequestsPerSession }},
	{Name: "liveWebSockets", Refusal: "live_websockets", Default: 20000, Min: 1, Max: maxCount, field: func(l *Limits) any { return &l.LiveWebSockets }},
	{Name: "liveWebSocketsPerSession", Refusal: "live_websockets_per_session", Default: 64, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.LiveWebSocketsPerSession }},
	{Name: "bufferedBytes", Refusal: "buffered_bytes", Default: 256 << 10, Min: 1, Max: maxKept, field: func(l *Limits) any { return &l.BufferedBytes }},
	{Name: "bufferedFrames", Refusal: "buffered_frames", Default: 256, Min: 1, Max: maxCount, field: func(l *Limits) any { return &l.BufferedFrames }},
	{Name: "messageBytes", Refusal: "message_bytes", Default: 64 << 10, Min: 1, Max: maxMessage, field: func(l *Limits) any { return &l.MessageBytes }},
	{Name: "candidates", Refusal: "candidates", Default: 512, Min: 1, Max: maxCount, field: func(l *Limits) any { return &l.Candidates }},
	{Name: "pagesPerSession", Refusal: "pages_per_session", Default: 16, Min: 1, Max: maxCount, field: func(l *Limits) any { return &l.PagesPerSession }},
	{Name: "clientCacheBytes", Default: 64 << 20, Max: maxKept, remedy: "must be a number of bytes, or 0 to keep no desktop's client",
		field: func(l *Limits) any { return &l.ClientCacheBytes }},
	{Name: "holdHTTP", Refusal: "hold_timeout", Default: float64(time.Minute), Above: true, Max: maxTime,
		field: func(l *Limits) any { return &l.HoldHTTP }},
	{Name: "holdTime", Refusal: "hold_timeout", Default: float64(30 * time.Minute), Above: true, Max: maxTime,
		field: func(l *Limits) any { return &l.HoldTime }},
	// Its least is three of the activator's pings, by which silence is seen.
	{Name: "relayIdleTimeout", Refusal: "relay_idle", Min: float64(time.Minute), ZeroIsOff: true, Max: maxTime,
		remedy: "must be 1m or more, or 0s for no limit", field: func(l *Limits) any { return &l.RelayIdleTimeout }},
	{Name: "headerTimeout", Refusal: "header_timeout", Default: float64(10 * time.Second), Above: true, Max: maxTime,
		field: func(l *Limits) any { return &l.HeaderTimeout }},
	// The least fits a browser's own head of 1 KiB with a token twice, as a link and as a cookie; the default fits
	// a link and cookies of 4 KiB each many times.
	{Name: "headerBytes", Refusal: "header_bytes", Default: 64 << 10, Min: 4 << 10, Max: maxHead,
		remedy: "must be 4096 or more, or a browser's request with its cookie does not fit",
		field:  func(l *Limits) any { return &l.HeaderBytes }},
	{Name: "desktopHeaderBytes", Refusal: "desktop_header_bytes", Default: 64 << 10, Min: 4 << 10, Max: maxHead,
		remedy: "must be 4096 or more, or a desktop's answer with its cookies does not fit",
		field:  func(l *Limits) any { return &l.DesktopHeaderBytes }},
	{Name: "desktopHeaderFields", Refusal: "desktop_header_fields", Default: 200, Min: 20, Max: maxCount,
		field: func(l *Limits) any { return &l.DesktopHeaderFields }},
	// Browsers open at most six connections a host, and send on most of them at once.
	{Name: "pendingConnections", Refusal: "pending_connections", Default: 4096, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.PendingConnections }},
	{Name: "pendingConnectionsPerAddress", Refusal: "pending_connections_per_address", Default: 256, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.PendingConnectionsPerAddress }},
	{Name: "idleConnections", Default: 10000, Min: 1, Max: maxCount, field: func(l *Limits) any { return &l.IdleConnections }},
	// A thaw takes milliseconds, and one of what was paged out a second; the operator takes over after five.
	{Name: "thawTimeout", Default: float64(2 * time.Second), Above: true, Max: maxTime, field: func(l *Limits) any { return &l.ThawTimeout }},
	{Name: "thawsAtOnce", Default: 64, Min: 1, Max: maxCount, field: func(l *Limits) any { return &l.ThawsAtOnce }},
	// A browser that has no file of the client's yet takes seconds; the desktop encodes meanwhile for nobody.
	{Name: "standInTime", Default: float64(30 * time.Second), Min: float64(time.Second), ZeroIsOff: true, Max: float64(time.Hour),
		remedy: "must be 1s or more, or 0s for none", field: func(l *Limits) any { return &l.StandInTime }},
	// A desktop's page opens two or three WebSockets and opens them again every few seconds while it cannot connect.
	// A person has some tabs of that; an address may be an office's of two hundred people, who all come back at once
	// after a restart.
	{Name: "upgradesPerUser.perSecond", Refusal: "upgrades_per_user", Default: 5, Above: true, Max: maxCount,
		field: func(l *Limits) any { return &l.UpgradesPerUser.PerSecond }},
	{Name: "upgradesPerUser.burst", Refusal: "upgrades_per_user", Default: 40, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.UpgradesPerUser.Burst }},
	{Name: "upgradesPerAddress.perSecond", Refusal: "upgrades_per_address", Default: 50, Above: true, Max: maxCount,
		field: func(l *Limits) any { return &l.UpgradesPerAddress.PerSecond }},
	{Name: "upgradesPerAddress.burst", Refusal: "upgrades_per_address", Default: 600, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.UpgradesPerAddress.Burst }},
	// An expired session's page asks every few seconds; an office's are one address.
	{Name: "refusalsPerAddress.perSecond", Refusal: "refusals_per_address", Default: 20, Above: true, Max: maxCount,
		field: func(l *Limits) any { return &l.RefusalsPerAddress.PerSecond }},
	{Name: "refusalsPerAddress.burst", Refusal: "refusals_per_address", Default: 400, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.RefusalsPerAddress.Burst }},
	// A browser that starts opens many tabs at once. A code costs the API server two requests.
	{Name: "handoversPerAddress.perSecond", Refusal: "handovers_per_address", Default: 10, Above: true, Max: maxCount,
		field: func(l *Limits) any { return &l.HandoversPerAddress.PerSecond }},
	{Name: "handoversPerAddress.burst", Refusal: "handovers_per_address", Default: 200, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.HandoversPerAddress.Burst }},
	{Name: "handovers.perSecond", Refusal: "handovers", Default: 100, Above: true, Max: maxCount,
		field: func(l *Limits) any { return &l.Handovers.PerSecond }},
	{Name: "handovers.burst", Refusal: "handovers", Default: 1000, Min: 1, Max: maxCount,
		field: func(l *Limits) any { return &l.Handovers.Burst }},
}

func defaultLimits() (limits Limits) {
	for _, row := range LimitTable {
		switch value := row.field(&limits).(type) {
		case *int:
			*value = int(row.Default)
		case *int64:
			*value = int64(row.Default)
		case *float64:
			*value = row.Default
		case *metav1.Duration:
			value.Duration = time.Duration(row.Default)
		}
	}
	return limits
}

func (l Limits) validate() (errs field.ErrorList) {
	for _, row := range LimitTable {
		number, shown, unit := 0.0, any(nil), ""
		switch value := row.field(&l).(type) {
		case *int:
			number, shown = float64(*value), *value
		case *int64:
			number, shown = float64(*value), *value
		case *float64:
			number, shown = *value, *value
		case *metav1.Duration:
			number, shown, unit = float64(value.Duration), value.Duration.String(), "s"
		}
		if number <= row.Max && (number > row.Min || number == row.Min && !row.Above || number == 0 && row.ZeroIsOff) {
			continue
		}
		remedy := row.remedy
		switch {
		case number > row.Max && unit != "":
			remedy = fmt.Sprintf("must be %s or less", time.Duration(row.Max))
		case number > row.Max:
			remedy = fmt.Sprintf("must be %.0f or less", row.Max)
		case remedy == "" && row.Above:
			remedy = "must be above 0" + unit
		case remedy == "":
			remedy = fmt.Sprintf("must be %.0f or more", row.Min)
		}
		errs = append(errs, field.Invalid(field.NewPath("limits", strings.Split(row.Name, ".")...), shown, remedy))
	}
	return errs
}
