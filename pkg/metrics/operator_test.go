package metrics

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func leads() bool { return true }

func TestTheOperatorsMetricsAreNamedAsPrometheusAsks(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewOperator(reg)
	RegisterBuildInfo(reg)
	reg.MustRegister(NewSessions(func(context.Context) (Sessions, error) {
		return Sessions{ByPhase: map[v1alpha1.Phase]int{v1alpha1.PhaseAsleep: 2, v1alpha1.PhaseCreating: 1}, WaitingForGPU: 1}, nil
	}, leads))
	reg.MustRegister(NewGPUSeconds(func(context.Context) ([]GPUDesktop, error) { return nil, nil }, leads, time.Now, "nvidia.com/gpu"))
	RegisterActivatorsListening(reg, func() int { return 2 })
	reg.MustRegister(NewWarmPools(func() map[string]v1alpha1.TemplateWarmPool {
		return map[string]v1alpha1.TemplateWarmPool{"classroom": {Desired: 3, Ready: 2, Dozing: 1, Claimed: 4}}
	}, leads))
	m.PoolClaim(PoolClaimed)
	m.PoolRefused(PoolRefusedQuota)
	m.Woke(WokeFromZero)
	m.DozeEnded(90 * time.Second)
	m.DozeEnded(-time.Second)
	m.Slept("IdleTimeout")
	m.GaveWay(GaveWayToMemory)
	m.PressureUnknown()
	m.Started(2 * time.Second)
	m.ConfigConflict()
	m.ConfigCorrected()
	m.Condition("KnativeReady", metav1.ConditionFalse)
	m.Condition("KnativeConfigured", metav1.ConditionTrue)
	m.Condition("DefinitionsPresent", metav1.ConditionTrue)
	m.Condition("DefinitionsPresent", metav1.ConditionUnknown)
	m.Reloaded(nil)
	m.Reloaded(errors.New("bad"))
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	assert.Empty(t, problems)
	want := `# HELP vdi_activators_listening Activators that this replica sees listen to what is reported of desktops in use; without any, no desktop falls asleep by its disconnect or idle timeout.
# TYPE vdi_activators_listening gauge
vdi_activators_listening 2
# HELP vdi_gave_way_total Dozing desktops, and desktops that waited in warm pools, that were told to give way, by what needed what they held: a session without a GPU, a node that is drained, one that is short of memory, or a change of their own.
# TYPE vdi_gave_way_total counter
vdi_gave_way_total{to="change"} 0
vdi_gave_way_total{to="drain"} 0
vdi_gave_way_total{to="gpu"} 0
vdi_gave_way_total{to="memory"} 1
# HELP vdi_knative_config_corrections_total Keys of Knative's configuration which desktops need that somebody had taken away and that were set again.
# TYPE vdi_knative_config_corrections_total counter
vdi_knative_config_corrections_total 1
# HELP vdi_memory_pressure_unknown_total Times that a program on a node was asked for the node's memory pressure and did not tell it: kubelet's word alone counts meanwhile.
# TYPE vdi_memory_pressure_unknown_total counter
vdi_memory_pressure_unknown_total 1
# HELP vdi_operator_condition Conditions of the installation, by type: 1 for one that is true, 0 for false, none for unknown.
# TYPE vdi_operator_condition gauge
vdi_operator_condition{type="KnativeConfigured"} 1
vdi_operator_condition{type="KnativeReady"} 0
# HELP vdi_operator_config_last_reload_successful Whether the configuration file as it is now is in use: 0 while it is refused and an earlier one holds.
# TYPE vdi_operator_config_last_reload_successful gauge
vdi_operator_config_last_reload_successful 0
# HELP vdi_operator_config_reloads_total Changes of the configuration file that were found while running, by what became of them.
# TYPE vdi_operator_config_reloads_total counter
vdi_operator_config_reloads_total{result="applied"} 1
vdi_operator_config_reloads_total{result="refused"} 1
# HELP vdi_session_doze_seconds_total Seconds that desktops were frozen for, counted when each doze ends.
# TYPE vdi_session_doze_seconds_total counter
vdi_session_doze_seconds_total 90
# HELP vdi_session_sleeps_total Desktops that were put to sleep, by the reason of the decision.
# TYPE vdi_session_sleeps_total counter
vdi_session_sleeps_total{reason="DisconnectTimeout"} 0
vdi_session_sleeps_total{reason="DozeFor"} 0
vdi_session_sleeps_total{reason="DozeLost"} 0
vdi_session_sleeps_total{reason="GaveWay"} 0
vdi_session_sleeps_total{reason="IdleTimeout"} 1
vdi_session_sleeps_total{reason="MaxDuration"} 0
vdi_session_sleeps_total{reason="PoweredOff"} 0
vdi_session_sleeps_total{reason="SleepRequested"} 0
vdi_session_sleeps_total{reason="StartupTimeout"} 0
# HELP vdi_session_wakes_total Desktops that were woken, by what they woke from: zero pods, a desktop of a warm pool, or a doze in their pod.
# TYPE vdi_session_wakes_total counter
vdi_session_wakes_total{from="doze"} 0
vdi_session_wakes_total{from="pool"} 0
vdi_session_wakes_total{from="zero"} 1
# HELP vdi_sessions Sessions by phase.
# TYPE vdi_sessions gauge
vdi_sessions{phase="Asleep"} 2
vdi_sessions{phase="Creating"} 1
vdi_sessions{phase="Dozing"} 0
vdi_sessions{phase="Failed"} 0
vdi_sessions{phase="Pending"} 0
vdi_sessions{phase="Running"} 0
vdi_sessions{phase="Terminating"} 0
# HELP vdi_sessions_waiting_for_gpu Sessions that wake and for which no GPU is free.
# TYPE vdi_sessions_waiting_for_gpu gauge
vdi_sessions_waiting_for_gpu 1
# HELP vdi_warm_pool_claims_total Desktops that would start from zero and whose template has a warm pool, by what they found there: one that they claimed, none that was ready, or desktops of another shape.
# TYPE vdi_warm_pool_claims_total counter
vdi_warm_pool_claims_total{result="claimed"} 1
vdi_warm_pool_claims_total{result="differs"} 0
vdi_warm_pool_claims_total{result="empty"} 0
# HELP vdi_warm_pool_desktops Desktops of warm pools, by template and state: missing or starting, ready and running, ready and dozing, or claimed by a session.
# TYPE vdi_warm_pool_desktops gauge
vdi_warm_pool_desktops{state="claimed",template="classroom"} 4
vdi_warm_pool_desktops{state="dozing",template="classroom"} 1
vdi_warm_pool_desktops{state="missing",template="classroom"} 1
vdi_warm_pool_desktops{state="ready",template="classroom"} 1
# HELP vdi_warm_pool_refusals_total Desktops of warm pools that the API server refused to make, by the reason.
# TYPE vdi_warm_pool_refusals_total counter
vdi_warm_pool_refusals_total{reason="invalid"} 0
vdi_warm_pool_refusals_total{reason="other"} 0
vdi_warm_pool_refusals_total{reason="policy"} 0
vdi_warm_pool_refusals_total{reason="quota"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "vdi_activators_listening", "vdi_operator_config_last_reload_successful", "vdi_operator_config_reloads_total",
		"vdi_gave_way_total", "vdi_knative_config_corrections_total", "vdi_memory_pressure_unknown_total", "vdi_operator_condition", "vdi_session_doze_seconds_total", "vdi_session_sleeps_total", "vdi_session_wakes_total", "vdi_sessions", "vdi_sessions_waiting_for_gpu",
		"vdi_warm_pool_claims_total", "vdi_warm_pool_desktops", "vdi_warm_pool_refusals_total"); err != nil {
		t.Error(err)
	}
}

func TestACountThatFailsIsNotZero(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(NewSessions(func(context.Context) (Sessions, error) { return Sessions{}, errors.New("no cache") }, leads))
	_, err := reg.Gather()
	assert.ErrorContains(t, err, "no cache")
}

func TestAReplicaThatStandsByCountsNoSessions(t *testing.T) {
	reg := prometheus.NewRegistry()
	standsBy := func() bool { return false }
	reg.MustRegister(NewSessions(func(context.Context) (Sessions, error) { return Sessions{}, errors.New("was asked") }, standsBy))
	n, err := testutil.GatherAndCount(reg)
	require.Equal(t, 0, n)
	assert.NoError(t, err, "series")
}
