package config

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// minHeaderBytes fits a browser's own head of 1 KiB with a token twice, as a link and
// as a cookie.
const minHeaderBytes = 4 << 10

// minRelayIdleTimeout is three of the activator's pings, by which it looks.
const minRelayIdleTimeout = time.Minute

// Limits bound what visitors can make the activator keep. Each has a default and
// is counted in vdi_activator_refusals_total by its reason when it is hit.
type Limits struct {
	// HeldConnections is the number of connections one replica holds.
	HeldConnections int `json:"heldConnections"`
	// HeldConnectionsPerSession is the number held for one session.
	HeldConnectionsPerSession int `json:"heldConnectionsPerSession"`
	// BufferedBytes and BufferedFrames bound what one held connection may send.
	BufferedBytes  int `json:"bufferedBytes"`
	BufferedFrames int `json:"bufferedFrames"`
	// MessageBytes is the longest message on a signaling socket.
	MessageBytes int `json:"messageBytes"`
	// Candidates is how many ICE candidates each side of a signaling socket may name.
	Candidates int `json:"candidates"`
	// HoldHTTP is how long a plain HTTP request is held before 503.
	HoldHTTP metav1.Duration `json:"holdHTTP"`
	// HoldTime is how long a WebSocket is held at most, also where the startup
	// timeout is longer or off.
	HoldTime metav1.Duration `json:"holdTime"`
	// RelayIdleTimeout ends a relayed WebSocket on which nothing was said for so long;
	// 0 never does.
	RelayIdleTimeout metav1.Duration `json:"relayIdleTimeout"`
	// HeaderTimeout bounds how long a client may take to send its request head, and
	// HeaderBytes how long that head may be.
	HeaderTimeout metav1.Duration `json:"headerTimeout"`
	HeaderBytes   int             `json:"headerBytes"`
	// PendingConnections is the number of connections on which one replica still
	// waits for the first request; PendingConnectionsPerAddress is the number from
	// one address that is not a trusted proxy's.
	PendingConnections           int `json:"pendingConnections"`
	PendingConnectionsPerAddress int `json:"pendingConnectionsPerAddress"`
	// IdleConnections is the number of connections that one replica keeps open for
	// further requests; others are closed after their request.
	IdleConnections int `json:"idleConnections"`
	// PagesPerSession is the number of a session's open pages that one replica keeps
	// told; more of them ask from time to time.
	PagesPerSession int `json:"pagesPerSession"`
	// ClientCacheBytes is what one replica keeps of desktops' clients, to serve them
	// while the desktop starts; 0 switches that off.
	ClientCacheBytes int64 `json:"clientCacheBytes"`
	// UpgradesPerUser and UpgradesPerAddress bound how often WebSockets are opened.
	UpgradesPerUser    Rate `json:"upgradesPerUser"`
	UpgradesPerAddress Rate `json:"upgradesPerAddress"`
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

func defaultLimits() Limits {
	d := func(t time.Duration) metav1.Duration { return metav1.Duration{Duration: t} }
	return Limits{
		HeldConnections: 10000, HeldConnectionsPerSession: 16,
		BufferedBytes: 256 << 10, BufferedFrames: 256, MessageBytes: 64 << 10, Candidates: 512,
		HoldHTTP: d(time.Minute), HoldTime: d(30 * time.Minute),
		// A link and cookies of 4 KiB each fit many times.
		HeaderTimeout: d(10 * time.Second), HeaderBytes: 64 << 10,
		// Browsers open at most six connections a host, and send on most of them at once.
		PendingConnections: 4096, PendingConnectionsPerAddress: 256,
		IdleConnections: 10000,
		PagesPerSession: 16, ClientCacheBytes: 64 << 20,
		// A desktop's page opens two or three WebSockets and opens them again every few
		// seconds while it cannot connect. A person has some tabs of that; an address may
		// be an office's of two hundred people, who all come back at once after a restart.
		UpgradesPerUser:    Rate{PerSecond: 5, Burst: 40},
		UpgradesPerAddress: Rate{PerSecond: 50, Burst: 600},
	}
}

func (l Limits) validate() field.ErrorList {
	var errs field.ErrorList
	bad := func(value any, why string, path ...string) {
		errs = append(errs, field.Invalid(field.NewPath("limits", path...), value, why))
	}
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"heldConnections", l.HeldConnections}, {"heldConnectionsPerSession", l.HeldConnectionsPerSession},
		{"bufferedBytes", l.BufferedBytes}, {"bufferedFrames", l.BufferedFrames}, {"messageBytes", l.MessageBytes}, {"candidates", l.Candidates},
		{"pendingConnections", l.PendingConnections}, {"pendingConnectionsPerAddress", l.PendingConnectionsPerAddress},
		{"idleConnections", l.IdleConnections},
		{"pagesPerSession", l.PagesPerSession},
	} {
		if limit.value < 1 {
			bad(limit.value, "must be 1 or more", limit.name)
		}
	}
	if l.ClientCacheBytes < 0 {
		bad(l.ClientCacheBytes, "must be a number of bytes, or 0 to keep no desktop's client", "clientCacheBytes")
	}
	if l.HeaderBytes < minHeaderBytes {
		bad(l.HeaderBytes, "must be 4096 or more, or a browser's request with its cookie does not fit", "headerBytes")
	}
	for _, wait := range []struct {
		name  string
		value metav1.Duration
	}{{"holdHTTP", l.HoldHTTP}, {"holdTime", l.HoldTime}, {"headerTimeout", l.HeaderTimeout}} {
		if wait.value.Duration <= 0 {
			bad(wait.value.Duration.String(), "must be above 0s", wait.name)
		}
	}
	if idle := l.RelayIdleTimeout.Duration; idle != 0 && idle < minRelayIdleTimeout {
		bad(idle.String(), "must be 1m or more, or 0s for no limit", "relayIdleTimeout")
	}
	for _, rate := range []struct {
		name  string
		value Rate
	}{{"upgradesPerUser", l.UpgradesPerUser}, {"upgradesPerAddress", l.UpgradesPerAddress}} {
		if rate.value.PerSecond <= 0 {
			bad(rate.value.PerSecond, "must be above 0", rate.name, "perSecond")
		}
		if rate.value.Burst < 1 {
			bad(rate.value.Burst, "must be 1 or more", rate.name, "burst")
		}
	}
	return errs
}
