package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Operator holds the operator's metrics.
type Operator struct {
	wakes     prometheus.Counter
	sleeps    *prometheus.CounterVec
	startup   prometheus.Histogram
	conflicts prometheus.Counter
	reloads   *prometheus.CounterVec
	reloaded  prometheus.Gauge

	corrections prometheus.Counter
	conditions  *prometheus.GaugeVec
}

// startupBuckets are in seconds: from an image that is on the node to one of several
// gigabytes that is pulled first.
var startupBuckets = []float64{0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600}

// NewOperator makes the operator's metrics and registers them.
func NewOperator(reg prometheus.Registerer) *Operator {
	m := &Operator{
		wakes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vdi_session_wakes_total", Help: "Desktops that were woken."}),
		sleeps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vdi_session_sleeps_total", Help: "Desktops that were put to sleep, by the reason of the decision."}, []string{"reason"}),
		startup: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vdi_session_startup_seconds", Help: "Time from the decision to wake a desktop until its pod is ready.", Buckets: startupBuckets}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vdi_knative_config_conflicts_total", Help: "Times that a key of Knative's configuration which desktops need was found to be set otherwise by somebody else."}),
		corrections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vdi_knative_config_corrections_total", Help: "Keys of Knative's configuration which desktops need that somebody had taken away and that were set again."}),
		conditions: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vdi_operator_condition", Help: "Conditions of the installation, by type: 1 for one that is true, 0 for false, none for unknown."}, []string{"type"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vdi_operator_config_reloads_total", Help: "Changes of the configuration file that were found while running, by what became of them."}, []string{"result"}),
		reloaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vdi_operator_config_last_reload_successful", Help: "Whether the configuration file as it is now is in use: 0 while it is refused and an earlier one holds."}),
	}
	for _, result := range []string{reloadApplied, reloadRefused} {
		m.reloads.WithLabelValues(result)
	}
	m.sleeps.WithLabelValues(string(lifecycle.ReasonPoweredOff))
	for _, clock := range lifecycle.Clocks {
		m.sleeps.WithLabelValues(string(clock.Reason))
	}
	m.reloaded.Set(1)
	reg.MustRegister(m.wakes, m.sleeps, m.startup, m.conflicts, m.corrections, m.conditions, m.reloads, m.reloaded)
	return m
}

// Woke counts a wake.
func (m *Operator) Woke() { m.wakes.Inc() }

// Slept counts a sleep; reason is one of pkg/lifecycle's.
func (m *Operator) Slept(reason string) { m.sleeps.WithLabelValues(reason).Inc() }

// Started observes how long a desktop took from its wake until it was reachable.
func (m *Operator) Started(took time.Duration) { m.startup.Observe(took.Seconds()) }

// ConfigConflict counts a key of Knative's that somebody else sets otherwise.
func (m *Operator) ConfigConflict() { m.conflicts.Inc() }

// ConfigCorrected counts a key of Knative's that was set again.
func (m *Operator) ConfigCorrected() { m.corrections.Inc() }

// Condition shows a condition of the installation; the type is one of
// pkg/controller/installation's.
func (m *Operator) Condition(conditionType string, isTrue bool) {
	value := 0.0
	if isTrue {
		value = 1
	}
	m.conditions.WithLabelValues(conditionType).Set(value)
}

// ConditionUnknown takes a condition away that is not known any more.
func (m *Operator) ConditionUnknown(conditionType string) {
	m.conditions.DeleteLabelValues(conditionType)
}

// The results of vdi_operator_config_reloads_total.
const (
	reloadApplied = "applied"
	reloadRefused = "refused"
)

// Reloaded counts a changed configuration file; err is why it was refused, if it was.
func (m *Operator) Reloaded(err error) {
	if err != nil {
		m.reloads.WithLabelValues(reloadRefused).Inc()
		m.reloaded.Set(0)
		return
	}
	m.reloads.WithLabelValues(reloadApplied).Inc()
	m.reloaded.Set(1)
}

// Sessions is a count of all sessions.
type Sessions struct {
	// ByPhase may leave out phases that no session is in.
	ByPhase map[v1alpha1.Phase]int
	// WaitingForGPU are those that wake and for which no GPU is free.
	WaitingForGPU int
	// LongestStart is how long the one that has been waking for longest has done so.
	LongestStart time.Duration
}

// CountSessions counts the sessions.
type CountSessions func(ctx context.Context) (Sessions, error)

// countTimeout bounds how long a scrape waits for the count.
const countTimeout = 5 * time.Second

// phases are all that a session can be in.
var phases = []v1alpha1.Phase{v1alpha1.PhasePending, v1alpha1.PhaseCreating, v1alpha1.PhaseRunning, v1alpha1.PhaseAsleep, v1alpha1.PhaseTerminating, v1alpha1.PhaseFailed}

type sessions struct {
	count   CountSessions
	counts  func() bool
	byPhase *prometheus.Desc
	waiting *prometheus.Desc
	longest *prometheus.Desc
}

var _ prometheus.Collector = sessions{}

// NewSessions is the gauge of sessions by phase, counted at each scrape at which counts
// is true: a replica that does not lead would count them a second time.
func NewSessions(count CountSessions, counts func() bool) prometheus.Collector {
	return sessions{
		count: count, counts: counts,
		byPhase: prometheus.NewDesc("vdi_sessions", "Sessions by phase.", []string{"phase"}, nil),
		waiting: prometheus.NewDesc("vdi_sessions_waiting_for_gpu", "Sessions that wake and for which no GPU is free.", nil, nil),
		longest: prometheus.NewDesc("vdi_session_longest_start_seconds", "How long the session that has been waking for longest has done so; 0 where none wakes.", nil, nil),
	}
}

func (s sessions) Describe(ch chan<- *prometheus.Desc) {
	ch <- s.byPhase
	ch <- s.waiting
	ch <- s.longest
}

func (s sessions) Collect(ch chan<- prometheus.Metric) {
	if !s.counts() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	all, err := s.count(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(s.byPhase, err)
		return
	}
	for _, phase := range phases {
		ch <- prometheus.MustNewConstMetric(s.byPhase, prometheus.GaugeValue, float64(all.ByPhase[phase]), string(phase))
	}
	ch <- prometheus.MustNewConstMetric(s.waiting, prometheus.GaugeValue, float64(all.WaitingForGPU))
	ch <- prometheus.MustNewConstMetric(s.longest, prometheus.GaugeValue, all.LongestStart.Seconds())
}
