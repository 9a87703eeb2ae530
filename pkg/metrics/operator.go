package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// Operator holds the operator's metrics.
type Operator struct {
	wakes     *prometheus.CounterVec
	freeze    prometheus.Histogram
	dozed     prometheus.Counter
	sleeps    *prometheus.CounterVec
	gaveWay   *prometheus.CounterVec
	unknown   prometheus.Counter
	startup   prometheus.Histogram
	conflicts prometheus.Counter

	poolClaims, poolRefusals *prometheus.CounterVec

	reloads  *prometheus.CounterVec
	reloaded prometheus.Gauge

	corrections prometheus.Counter
	conditions  *prometheus.GaugeVec
}

// startupBuckets are in seconds: from an image that is on the node to one of several
// gigabytes that is pulled first.
var startupBuckets = []float64{0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600}

// NewOperator makes the operator's metrics and registers them.
func NewOperator(reg prometheus.Registerer) *Operator {
	r := with(reg)
	sleeps := []lifecycle.Reason{lifecycle.ReasonPoweredOff, lifecycle.ReasonSleepRequested, lifecycle.ReasonGaveWay, lifecycle.ReasonDozeLost}
	for _, clock := range lifecycle.Clocks {
		if clock.Leads == lifecycle.StateAsleep {
			sleeps = append(sleeps, clock.Reason)
		}
	}
	m := &Operator{
		wakes: counters(r, "vdi_session_wakes_total", "Desktops that were woken, by what they woke from: zero pods, a desktop of a warm pool, or a doze in their pod.", "from",
			WokeFromZero, WokeFromPool, WokeFromDoze),
		poolClaims: counters(r, "vdi_warm_pool_claims_total",
			"Desktops that would start from zero and whose template has a warm pool, by what they found there: one that they claimed, none that was ready, or desktops of another shape.",
			"result", PoolClaimed, PoolEmpty, PoolDiffers),
		poolRefusals: counters(r, "vdi_warm_pool_refusals_total", "Desktops of warm pools that the API server refused to make, by the reason.", "reason",
			PoolRefusedQuota, PoolRefusedPolicy, PoolRefusedInvalid, PoolRefusedOther),
		freeze: r.NewHistogram(prometheus.HistogramOpts{Name: "vdi_session_freeze_seconds",
			Help: "Time that the program on the node took to freeze a desktop.", Buckets: freezeBuckets}),
		dozed:  r.counter("vdi_session_doze_seconds_total", "Seconds that desktops were frozen for, counted when each doze ends."),
		sleeps: counters(r, "vdi_session_sleeps_total", "Desktops that were put to sleep, by the reason of the decision.", "reason", sleeps...),
		gaveWay: counters(r, "vdi_gave_way_total",
			"Dozing desktops, and desktops that waited in warm pools, that were told to give way, by what needed what they held: a session without a GPU, a node that is drained, one that is short of memory, or a change of their own.",
			"to", GaveWayToGPU, GaveWayToDrain, GaveWayToMemory, GaveWayToChange),
		unknown: r.counter("vdi_memory_pressure_unknown_total",
			"Times that a program on a node was asked for the node's memory pressure and did not tell it: kubelet's word alone counts meanwhile."),
		startup: r.NewHistogram(prometheus.HistogramOpts{Name: "vdi_session_startup_seconds",
			Help: "Time from the decision to wake a desktop until it is reachable.", Buckets: startupBuckets}),
		conflicts: r.counter("vdi_knative_config_conflicts_total",
			"Times that a key of Knative's configuration which desktops need was found to be set otherwise by somebody else."),
		corrections: r.counter("vdi_knative_config_corrections_total",
			"Keys of Knative's configuration which desktops need that somebody had taken away and that were set again."),
		conditions: r.NewGaugeVec(prometheus.GaugeOpts{Name: "vdi_operator_condition",
			Help: "Conditions of the installation, by type: 1 for one that is true, 0 for false, none for unknown."}, []string{"type"}),
		reloads: counters(r, "vdi_operator_config_reloads_total",
			"Changes of the configuration file that were found while running, by what became of them.", "result", reloadApplied, reloadRefused),
		reloaded: r.gauge("vdi_operator_config_last_reload_successful",
			"Whether the configuration file as it is now is in use: 0 while it is refused and an earlier one holds."),
	}
	m.reloaded.Set(1)
	return m
}

// RegisterActivatorsListening registers how many activators a replica of the operator sees
// listen.
func RegisterActivatorsListening(reg prometheus.Registerer, activators func() int) {
	with(reg).gaugeFunc("vdi_activators_listening",
		"Activators that this replica sees listen to what is reported of desktops in use; without any, no desktop falls asleep by its disconnect or idle timeout.",
		func() float64 { return float64(activators()) })
}

// What a desktop wakes from, in the label from.
const (
	WokeFromZero = "zero"
	WokeFromPool = "pool"
	WokeFromDoze = "doze"
)

// GaveWayTo is what needed what a desktop held that nobody used.
type GaveWayTo string

// What a desktop gives way to, in the label to.
const (
	GaveWayToGPU    GaveWayTo = "gpu"
	GaveWayToDrain  GaveWayTo = "drain"
	GaveWayToMemory GaveWayTo = "memory"
	GaveWayToChange GaveWayTo = "change"
)

// freezeBuckets are in seconds: a freeze waits for each process to stop.
var freezeBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// Woke counts a wake; from is WokeFromZero, WokeFromPool or WokeFromDoze.
func (m *Operator) Woke(from string) { m.wakes.WithLabelValues(from).Inc() }

// Dozed observes how long a freeze took.
func (m *Operator) Dozed(took time.Duration) { m.freeze.Observe(took.Seconds()) }

// DozeEnded adds how long a desktop was frozen.
func (m *Operator) DozeEnded(after time.Duration) { m.dozed.Add(max(0, after.Seconds())) }

// GaveWay counts a desktop that is told to give way.
func (m *Operator) GaveWay(to GaveWayTo) { m.gaveWay.WithLabelValues(string(to)).Inc() }

// PressureUnknown counts a program that was asked for its node's memory pressure and did not tell it.
func (m *Operator) PressureUnknown() { m.unknown.Inc() }

// Slept counts a sleep; reason is one of pkg/lifecycle's.
func (m *Operator) Slept(reason string) { m.sleeps.WithLabelValues(reason).Inc() }

// Started observes how long a desktop took from its wake until it was reachable.
func (m *Operator) Started(took time.Duration) { m.startup.Observe(took.Seconds()) }

// ConfigConflict counts a key of Knative's that somebody else sets otherwise.
func (m *Operator) ConfigConflict() { m.conflicts.Inc() }

// ConfigCorrected counts a key of Knative's that was set again.
func (m *Operator) ConfigCorrected() { m.corrections.Inc() }

// Condition shows a condition of the installation, and none where it is unknown; the type
// is one of pkg/controller/installation's.
func (m *Operator) Condition(conditionType string, status metav1.ConditionStatus) {
	if status == metav1.ConditionUnknown {
		m.conditions.DeleteLabelValues(conditionType)
		return
	}
	m.conditions.WithLabelValues(conditionType).Set(number(status == metav1.ConditionTrue))
}

// The results of vdi_operator_config_reloads_total.
const (
	reloadApplied = "applied"
	reloadRefused = "refused"
)

// Reloaded counts a changed configuration file; err is why it was refused, if it was.
func (m *Operator) Reloaded(err error) {
	m.reloads.WithLabelValues(result(err)).Inc()
	m.reloaded.Set(number(err == nil))
}

func result(err error) string {
	if err != nil {
		return reloadRefused
	}
	return reloadApplied
}

// number is a gauge's value for yes and no.
func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
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

// phases are all that a session can be in.
var phases = []v1alpha1.Phase{
	v1alpha1.PhasePending, v1alpha1.PhaseCreating, v1alpha1.PhaseRunning, v1alpha1.PhaseDozing, v1alpha1.PhaseAsleep, v1alpha1.PhaseTerminating, v1alpha1.PhaseFailed}

// NewSessions is the gauge of sessions by phase, counted at each scrape at which counts
// is true: a replica that does not lead would count them a second time.
func NewSessions(count func(context.Context) (Sessions, error), counts func() bool) prometheus.Collector {
	byPhase := prometheus.NewDesc("vdi_sessions", "Sessions by phase.", []string{"phase"}, nil)
	waiting := prometheus.NewDesc("vdi_sessions_waiting_for_gpu", "Sessions that wake and for which no GPU is free.", nil, nil)
	longest := prometheus.NewDesc("vdi_session_longest_start_seconds",
		"How long the session that has been waking for longest has done so; 0 where none wakes.", nil, nil)
	return &atScrape{counts: counts, descs: []*prometheus.Desc{byPhase, waiting, longest},
		read: func(ctx context.Context, ch chan<- prometheus.Metric) error {
			all, err := count(ctx)
			if err != nil {
				return err
			}
			for _, phase := range phases {
				ch <- prometheus.MustNewConstMetric(byPhase, prometheus.GaugeValue, float64(all.ByPhase[phase]), string(phase))
			}
			ch <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, float64(all.WaitingForGPU))
			ch <- prometheus.MustNewConstMetric(longest, prometheus.GaugeValue, all.LongestStart.Seconds())
			return nil
		}}
}
