package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// OrderResult is what became of an order to freeze or to thaw.
type OrderResult string

// The results of vdi_node_freezes_total and vdi_node_thaws_total.
const (
	OrderDone      OrderResult = "done"
	OrderRefused   OrderResult = "refused"
	OrderNoPod     OrderResult = "no_pod"
	OrderOvertaken OrderResult = "overtaken"
	OrderFailed    OrderResult = "failed"
	// OrderLimited came while as many were at work as may be.
	OrderLimited OrderResult = "limited"
)

var orderResults = []OrderResult{OrderDone, OrderRefused, OrderNoPod, OrderOvertaken, OrderFailed, OrderLimited}

// ThawCause is why the program on a node thawed a desktop that nobody ordered it to.
type ThawCause string

// The causes of vdi_node_own_thaws_total.
const (
	ThawPodEnds     ThawCause = "pod_ends"
	ThawNotDozing   ThawCause = "not_dozing"
	ThawProgramEnds ThawCause = "program_ends"
	ThawPulse       ThawCause = "pulse"
)

// Node holds the metrics of the program on a node.
type Node struct {
	freezes, thaws, own *prometheus.CounterVec
	strangers           prometheus.Counter
	thawSeconds         prometheus.Histogram
	pagedOut            prometheus.Counter
	pageOutFailures     prometheus.Counter
}

// NewNode makes the node program's metrics and registers them. frozen is asked how many
// desktops are frozen.
func NewNode(reg prometheus.Registerer, frozen func() int) *Node {
	r := with(reg)
	r.gaugeFunc("vdi_node_frozen_desktops", "Desktops of the node that are frozen, those that run for a moment of a pulse included.",
		func() float64 { return float64(frozen()) })
	return &Node{
		freezes: counters(r, "vdi_node_freezes_total", "Orders to freeze a desktop, by what became of them.", "result", orderResults...),
		thaws:   counters(r, "vdi_node_thaws_total", "Orders to thaw a desktop, by what became of them.", "result", orderResults...),
		own: counters(r, "vdi_node_own_thaws_total", "Desktops that were thawed without an order, by cause.", "cause",
			ThawPodEnds, ThawNotDozing, ThawProgramEnds, ThawPulse),
		strangers: r.counter("vdi_node_pressure_refusals_total", "Questions for the node's memory pressure without an order for it, which were refused."),
		thawSeconds: r.NewHistogram(prometheus.HistogramOpts{Name: "vdi_node_thaw_seconds",
			Help: "Time from an order to thaw a desktop until it ran.", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}}),
		pagedOut: r.counter("vdi_node_paged_out_bytes_total", "Memory that frozen desktops gave back."),
		pageOutFailures: r.counter("vdi_node_page_out_failures_total",
			"Times that a frozen desktop's memory could not be paged out; it is frozen all the same."),
	}
}

// RegisterMemoryStalled registers the share of the last ten seconds in which a process waited for memory.
func RegisterMemoryStalled(reg prometheus.Registerer, stalled func() float64) {
	with(reg).gaugeFunc("vdi_node_memory_stalled_ratio",
		"Share of the last ten seconds in which some process of the node waited for memory, as the kernel counts it: doze.memoryPressure is of it, in percent.", stalled)
}

// Froze counts an order to freeze.
func (m *Node) Froze(r OrderResult) { m.freezes.WithLabelValues(string(r)).Inc() }

// Thawed counts an order to thaw.
func (m *Node) Thawed(r OrderResult, took time.Duration) {
	m.thaws.WithLabelValues(string(r)).Inc()
	if r == OrderDone {
		m.thawSeconds.Observe(took.Seconds())
	}
}

// PressureRefused counts who asked for the memory pressure without an order for it.
func (m *Node) PressureRefused() { m.strangers.Inc() }

// ThawedOwn counts a thaw without an order.
func (m *Node) ThawedOwn(c ThawCause) { m.own.WithLabelValues(string(c)).Inc() }

// PagedOut counts what a desktop gave back, in bytes, and whether it failed.
func (m *Node) PagedOut(bytes uint64, failed bool) {
	m.pagedOut.Add(float64(bytes))
	if failed {
		m.pageOutFailures.Inc()
	}
}
