package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TURNRefusal is why turnserver refused a request.
type TURNRefusal string

// The reasons of vdi_turn_refusals_total.
const (
	// TURNRefusedCredential: made with another secret, or expired.
	TURNRefusedCredential TURNRefusal = "credential"
	TURNRefusedPeer       TURNRefusal = "denied_peer"
	TURNRefusedQuota      TURNRefusal = "quota"
	TURNRefusedNoPort     TURNRefusal = "no_port"
	TURNRefusedOther      TURNRefusal = "other"
)

var turnRefusals = []TURNRefusal{TURNRefusedCredential, TURNRefusedPeer, TURNRefusedQuota, TURNRefusedNoPort, TURNRefusedOther}

// The directions of vdi_turn_relayed_bytes_total.
const (
	directionFromPeers = "from_peers"
	directionToPeers   = "to_peers"
)

// TURN holds the TURN server's metrics.
type TURN struct {
	Opened        prometheus.Counter // of allocations
	refusals      *prometheus.CounterVec
	relayed       *prometheus.CounterVec
	LinesLeftOut  prometheus.Counter // of the log
	secretChanges *prometheus.CounterVec
	certificates  *prometheus.CounterVec
	certificate   prometheus.Gauge
	up            prometheus.Gauge
	Draining      prometheus.Gauge
}

// TURNState is what is asked when the metrics are.
type TURNState struct {
	Allocations func() float64
	Ports       func() float64
	PortsUsed   func() float64
	Version     string
	// TLS says that there is a certificate.
	TLS bool
}

// NewTURN makes the TURN server's metrics and registers them.
func NewTURN(reg prometheus.Registerer, s TURNState) *TURN {
	r, tls := with(reg), with(reg)
	if !s.TLS {
		tls = with(nil) // made, and not registered
	}
	r.gaugeFunc("vdi_turn_allocations", "Allocations that are open.", s.Allocations)
	r.gaugeFunc("vdi_turn_relay_ports", "Ports for allocations.", s.Ports)
	r.gaugeFunc("vdi_turn_relay_ports_used", "Ports for allocations that are taken, by any program.", s.PortsUsed)
	r.NewGauge(prometheus.GaugeOpts{Name: "vdi_turn_build_info", Help: "Always 1; the label is turnserver's version.",
		ConstLabels: prometheus.Labels{"turnserver": s.Version}}).Set(1)
	return &TURN{
		Opened:   r.counter("vdi_turn_allocations_opened_total", "Allocations that were opened."),
		refusals: counters(r, "vdi_turn_refusals_total", "Requests of clients that were refused, by reason.", "reason", turnRefusals...),
		relayed: counters(r, "vdi_turn_relayed_bytes_total", "Bytes that passed between allocations and their peers; counted every 4096 "+
			"packets of an allocation and at its end.", "direction", directionFromPeers, directionToPeers),
		LinesLeftOut: r.counter("vdi_turn_log_lines_left_out_total", "Lines of turnserver's log that came too fast to be passed on."),
		secretChanges: counters(r, "vdi_turn_secret_changes_total",
			"Changes of the shared secret that were found while running, by what became of them.", "result", reloadApplied, reloadRefused),
		certificates: counters(tls, "vdi_turn_certificate_reloads_total",
			"Changes of the certificate that were found while running, by what became of them.", "result", reloadApplied, reloadRefused),
		certificate: tls.gauge("vdi_turn_certificate_expiry_timestamp_seconds",
			"When the certificate that is served ends, in seconds since 1970."),
		up:       r.gauge("vdi_turn_up", "Whether turnserver answers."),
		Draining: r.gauge("vdi_turn_draining", "Whether the server was asked to end and waits for its allocations."),
	}
}

// Refused counts a refused request.
func (m *TURN) Refused(why TURNRefusal) { m.refusals.WithLabelValues(string(why)).Inc() }

// Relayed counts bytes that an allocation received from its peers and sent to them.
func (m *TURN) Relayed(received, sent uint64) {
	m.relayed.WithLabelValues(directionFromPeers).Add(float64(received))
	m.relayed.WithLabelValues(directionToPeers).Add(float64(sent))
}

// SecretChanged counts a change of the shared secret; err is why it is refused, if it is.
func (m *TURN) SecretChanged(err error) { m.secretChanges.WithLabelValues(result(err)).Inc() }

// Certificate says when the certificate that is served ends.
func (m *TURN) Certificate(expires time.Time) { m.certificate.Set(float64(expires.Unix())) }

// CertificateChanged counts a change of the certificate; err is why it is refused, if it is.
func (m *TURN) CertificateChanged(err error) { m.certificates.WithLabelValues(result(err)).Inc() }

// Up says whether turnserver answers.
func (m *TURN) Up(up bool) { m.up.Set(number(up)) }
