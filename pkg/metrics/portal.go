package metrics

import "github.com/prometheus/client_golang/prometheus"

// Portal holds the portal's metrics.
type Portal struct {
	signIns    prometheus.Counter
	refusals   *prometheus.CounterVec
	rechecks   *prometheus.CounterVec
	providerUp prometheus.Gauge
}

// Recheck is what became of asking the identity provider again.
type Recheck string

// The results of vdi_portal_rechecks_total.
const (
	RecheckConfirmed Recheck = "confirmed"
	RecheckEnded     Recheck = "ended"
	RecheckAway      Recheck = "away"
)

// NewPortal makes the portal's metrics and registers them. refusals are the reasons of
// vdi_portal_refusals_total.
func NewPortal(reg prometheus.Registerer, refusals ...string) *Portal {
	r := with(reg)
	return &Portal{
		signIns:  r.counter("vdi_portal_signins_total", "People who signed in at the portal."),
		refusals: counters(r, "vdi_portal_refusals_total", "Visitors that the portal turned away, by reason.", "reason", refusals...),
		rechecks: counters(r, "vdi_portal_rechecks_total", "Times that the identity provider was asked whether a sign-in still holds, by its answer.",
			"result", RecheckConfirmed, RecheckEnded, RecheckAway),
		providerUp: r.gauge("vdi_portal_provider_up", "Whether the identity provider answered when it was asked last."),
	}
}

// RegisterPortalReady registers whether the portal takes visitors.
func RegisterPortalReady(reg prometheus.Registerer, check func() error) {
	with(reg).gaugeFunc("vdi_portal_ready", "Whether this replica of the portal takes visitors.", func() float64 { return number(check() == nil) })
}

// RegisterSignInsLive registers how many people are signed in, as a replica of the portal
// knows them.
func RegisterSignInsLive(reg prometheus.Registerer, live func() int) {
	with(reg).gaugeFunc("vdi_portal_signins_live", "Sign-ins that hold; every replica of the portal counts all.",
		func() float64 { return float64(live()) })
}

// SignedIn counts a sign-in.
func (m *Portal) SignedIn() { m.signIns.Inc() }

// Refused counts a visitor who was turned away.
func (m *Portal) Refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }

// Rechecked counts an answer of the identity provider.
func (m *Portal) Rechecked(r Recheck) { m.rechecks.WithLabelValues(string(r)).Inc() }

// ProviderUp shows whether the identity provider answers.
func (m *Portal) ProviderUp(up bool) { m.providerUp.Set(number(up)) }
