// Package agentapi is what agents and activators say to each other. The agent beside a desktop
// reports to activators, on their internal port: POST of a JSON object to a path below, with the
// agent's token as bearer. An activator answers 204 when it accepts it, 403 when the token is not
// for the pod's session, 409 when the pod is not the session's or its address is not believed, and
// 400 when it cannot parse it. Activators order a StandIn at the agent's own port.
//
// The agent of a pod in a warm pool first waits at ClaimPath, with a token for its pod: the answer
// is 200 with a Claim once a session has claimed the pod, and 204 when none has within ClaimWait;
// it asks again then.
package agentapi

import (
	"net/netip"
	"time"
)

// Paths.
const (
	AnnouncePath = "/v1/announce"
	ActivityPath = "/v1/activity"
	ClaimPath    = "/v1/claim"
)

// ClaimWait is how long an activator keeps an agent waiting at ClaimPath, at most.
const ClaimWait = 30 * time.Second

// ReportEvery is the least pause between two reports of input, unless the answer to
// the last one names a shorter one in ReportEveryHeader, as Go writes durations: a
// session's idle timeout may be seconds.
const (
	ReportEvery       = 15 * time.Second
	ReportEveryHeader = "Report-Every"
)

// MaxLength is the longest body, in bytes, that is read: a pod's name of 253
// characters and an address fit twice.
const MaxLength = 1024

// Claim says whose a pod has become.
type Claim struct {
	Namespace string `json:"namespace"`
	Session   string `json:"session"`
	Template  string `json:"template"`
	User      string `json:"user"`
}

// Announcement says that a pod is there.
type Announcement struct {
	Pod string `json:"pod"`
	// Address is the sender's own as it knows it. It is not where the activator dials:
	// that is the address the request comes from, and only if both are the same, for
	// otherwise something on the way translates addresses.
	Address netip.Addr `json:"address"`
	// Listening says that the desktop's port accepts.
	Listening bool `json:"listening"`
	// Port is the agent's own, for a StandIn; 0 where it takes none.
	Port uint16 `json:"port,omitempty"`
	// StandsIn says that the agent is the desktop's viewer, and that a client may take its place.
	StandsIn bool `json:"standsIn,omitempty"`
}

// Activity says that input at the desktop's displays is seen, and how long ago somebody
// typed or moved the pointer.
type Activity struct {
	Pod string `json:"pod"`
	// IdleMilliseconds is as wide as the X protocol's; its largest value is never.
	IdleMilliseconds uint32 `json:"idleMilliseconds"`
}
