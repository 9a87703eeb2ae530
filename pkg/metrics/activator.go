package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/org/vdi-operator/pkg/agentapi"
)

// Stage is a step of a cold start as the activator sees it, counted from the
// visitor's request.
type Stage string

// The stages of a cold start, in the order in which they usually come.
const (
	StageWakeWritten Stage = "wake_written"
	StageScheduled   Stage = "scheduled"
	StageStarted     Stage = "container_started"
	// StageAnnounced is the pod's own word, which a desktop without an agent never says.
	StageAnnounced    Stage = "announced"
	StageAddress      Stage = "address_known"
	StageReached      Stage = "reached"
	StageFirstMessage Stage = "first_message"
)

// Stages lists every stage.
var Stages = []Stage{StageWakeWritten, StageScheduled, StageStarted, StageAnnounced, StageAddress, StageReached, StageFirstMessage}

// Activator holds the activator's metrics.
type Activator struct {
	Sockets

	// Wakes counts the wakes that were written, by WokeFromZero or WokeFromDoze.
	Wakes     *prometheus.CounterVec
	thaws     *prometheus.HistogramVec
	ColdStart *prometheus.HistogramVec
	Holds     prometheus.Counter
	Held      prometheus.Gauge
	// HeldLimit is how many may be held.
	HeldLimit prometheus.Gauge
	// HeldBytes is what is kept of requests and messages that a desktop is still to answer.
	HeldBytes prometheus.Gauge
	Relayed   prometheus.Gauge
	// LiveRequests are plain requests, LiveWebSockets WebSockets, held or passed on.
	LiveRequests, LiveWebSockets prometheus.Gauge
	// Pending are connections without a first request.
	Pending prometheus.Gauge
	// Idle are connections between two requests.
	Idle prometheus.Gauge
	// Pages are open pages to which each change is sent.
	Pages prometheus.Gauge
	// Takeovers counts desktops that a person took over from another page.
	Takeovers prometheus.Counter
	// StandIns counts agents that stood in for a client, by how that ended: an agentapi.End or
	// StandInFailed.
	StandIns *prometheus.CounterVec
	// CacheServed counts requests that came while their desktop could not be reached,
	// by whether its client was kept; CacheBytes is what is kept of all clients.
	CacheServed *prometheus.CounterVec
	CacheBytes  prometheus.Gauge
	Refusals    *prometheus.CounterVec
	// Visits counts who was let in, by how.
	Visits *prometheus.CounterVec
}

// Whether a request was served from the client cache.
const (
	CacheHit  = "hit"
	CacheMiss = "miss"
)

// StandInFailed is the end of a stand-in whose agent did not take the order.
const StandInFailed = "failed"

// NewActivator makes the activator's metrics and registers them. refusals are the reasons
// that have a series from the start.
func NewActivator(reg prometheus.Registerer, refusals ...string) *Activator {
	r := with(reg)
	m := &Activator{
		Sockets: newSockets(r),
		Wakes:   counters(r, "vdi_activator_wakes_total", "Wakes that this replica wrote, by what the desktop woke from.", "from", WokeFromZero, WokeFromDoze),
		thaws: r.NewHistogramVec(prometheus.HistogramOpts{Name: "vdi_activator_thaw_seconds",
			Help: "Time that the program on a node took to answer an order to thaw a dozing desktop, by result.", Buckets: freezeBuckets}, []string{"result"}),
		ColdStart: r.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vdi_activator_cold_start_seconds", Help: "Time from a visitor's request to each stage of the cold start it caused.",
			Buckets: []float64{.025, .05, .1, .25, .5, .75, 1, 1.5, 2, 3, 5, 10, 20, 40, 80, 160, 320, 640}}, []string{"stage"}),
		Holds:     r.counter("vdi_activator_holds_total", "Connections that had to be held because their desktop was not reachable yet."),
		Held:      r.gauge("vdi_activator_held_connections", "Connections that are held now."),
		HeldLimit: r.gauge("vdi_activator_held_connections_limit", "Connections that this replica holds at most."),
		HeldBytes: r.gauge("vdi_activator_held_bytes", "Bytes kept of WebSockets' requests and messages until their desktop speaks, beyond the first 4 KiB of each."),
		Relayed:   r.gauge("vdi_activator_relayed_connections", "WebSocket connections that are relayed now."),
		LiveRequests: r.gauge("vdi_activator_live_requests",
			"Plain requests that are held or passed to a desktop now."),
		LiveWebSockets: r.gauge("vdi_activator_live_websockets", "WebSockets that are open now, held or relayed."),
		Idle:           r.gauge("vdi_activator_idle_connections", "Connections that are kept open for further requests."),
		Pending:        r.gauge("vdi_activator_pending_connections", "Connections that have not sent their first request yet."),
		Pages:          r.gauge("vdi_activator_pages", "Open pages to which each change is sent now."),
		Takeovers: r.counter("vdi_activator_takeovers_total",
			"Desktops with room for one viewer that a person took over from another page."),
		StandIns: counters(r, "vdi_activator_stand_ins_total",
			"Agents that stood in for a viewer of Selkies 1.6 before its client came, by how that ended: a client took the place, "+
				"nobody did, the desktop had a viewer, or the agent did not answer.", "end",
			string(agentapi.EndTaken), string(agentapi.EndGivenBack), string(agentapi.EndRefused), StandInFailed),
		CacheServed: counters(r, "vdi_activator_client_cache_requests_total",
			"Requests for client files that came while their desktop could not be reached, by result.", "result", CacheHit, CacheMiss),
		CacheBytes: r.gauge("vdi_activator_client_cache_bytes", "Bytes kept of desktops' clients now."),
		Visits: counters(r, "vdi_activator_visits_total", "Who was let in: by link, share and signin for each cookie, "+
			"by forwarded and issuer for each page and WebSocket.", "by", "link", "share", "signin", "forwarded", "issuer"),
		Refusals: counters(r, "vdi_activator_refusals_total", "Visitors that were turned away, by reason.", "reason", refusals...),
	}
	for _, result := range []string{thawDone, thawFailed} {
		m.thaws.WithLabelValues(result)
	}
	for _, s := range Stages {
		m.ColdStart.WithLabelValues(string(s))
	}
	return m
}

// The results of vdi_activator_thaw_seconds.
const (
	thawDone   = "done"
	thawFailed = "failed"
)

// Thawed observes an order to thaw, and whether the desktop runs.
func (m *Activator) Thawed(runs bool, took time.Duration) {
	result := thawFailed
	if runs {
		result = thawDone
	}
	m.thaws.WithLabelValues(result).Observe(took.Seconds())
}

// Refused counts one refusal; "" is none.
func (m *Activator) Refused(reason string) {
	if reason != "" {
		m.Refusals.WithLabelValues(reason).Inc()
	}
}

// RegisterReady registers vdi_activator_ready; ready returns why visitors should not
// come, if they should not.
func RegisterReady(reg prometheus.Registerer, ready func() error) {
	const help = "Whether this replica takes visitors: 0 before its first listing and once it was asked to end."
	with(reg).gaugeFunc("vdi_activator_ready", help, func() float64 { return number(ready() == nil) })
}
