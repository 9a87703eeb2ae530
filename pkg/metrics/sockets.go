package metrics

import "github.com/prometheus/client_golang/prometheus"

// The directions of vdi_activator_relayed_bytes_total.
const (
	toDesktop = "to_desktop"
	toClient  = "to_client"
)

// Sockets are the metrics of WebSockets once they are relayed.
type Sockets struct {
	// HeldAgain counts how often a connection's desktop went before its first message, or
	// turned it away for the moment.
	HeldAgain prometheus.Counter
	// RelayIdle are relayed connections on which nothing was said for some time.
	RelayIdle prometheus.Gauge
	// BytesToDesktop and BytesToClient move while bytes do.
	BytesToDesktop, BytesToClient prometheus.Counter
	// WithheldToDesktop and WithheldToClient count messages that an access policy kept back.
	WithheldToDesktop, WithheldToClient prometheus.Counter
}

func newSockets(r registry) Sockets {
	bytes := counters(r, "vdi_activator_relayed_bytes_total",
		"Bytes of WebSocket frames that were passed between clients and desktops, by direction.", "direction", toDesktop, toClient)
	withheld := counters(r, "vdi_activator_withheld_messages_total",
		"WebSocket messages that a template's access policy kept back, by the direction that they would have gone.", "direction", toDesktop, toClient)
	return Sockets{
		WithheldToDesktop: withheld.WithLabelValues(toDesktop),
		WithheldToClient:  withheld.WithLabelValues(toClient),
		HeldAgain: r.counter("vdi_activator_held_again_total", "How often a connection was held again because its desktop went before its "+
			"first message, or wanted another client to come or to go first."),
		RelayIdle: r.gauge("vdi_activator_relayed_connections_idle",
			"WebSocket connections that are relayed and on which nothing was said for a minute."),
		BytesToDesktop: bytes.WithLabelValues(toDesktop),
		BytesToClient:  bytes.WithLabelValues(toClient),
	}
}
