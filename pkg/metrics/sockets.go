package metrics

import "github.com/prometheus/client_golang/prometheus"

// Direction is which way bytes of a relayed WebSocket go.
type Direction string

// The directions of vdi_activator_relayed_bytes_total.
const (
	ToDesktop Direction = "to_desktop"
	ToClient  Direction = "to_client"
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
}

func newSockets(reg prometheus.Registerer) Sockets {
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vdi_activator_relayed_bytes_total", Help: "Bytes of WebSocket frames that were passed between clients and desktops, by direction."}, []string{"direction"})
	s := Sockets{
		HeldAgain: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vdi_activator_held_again_total", Help: "How often a connection was held again because its desktop went before its first message, or wanted another client to come or to go first."}),
		RelayIdle: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vdi_activator_relayed_connections_idle", Help: "WebSocket connections that are relayed and on which nothing was said for a minute."}),
		BytesToDesktop: bytes.WithLabelValues(string(ToDesktop)),
		BytesToClient:  bytes.WithLabelValues(string(ToClient)),
	}
	reg.MustRegister(bytes, s.HeldAgain, s.RelayIdle)
	return s
}
