package metrics

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTheOperatorsMetricsAreNamedAsPrometheusAsks(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewOperator(reg)
	reg.MustRegister(NewSessions(func(context.Context) (map[string]int, error) { return map[string]int{"Asleep": 2, "Running": 1}, nil }))
	m.Woke()
	m.Slept("IdleTimeout")
	m.Started(2 * time.Second)
	m.ConfigConflict()
	m.ConfigCorrected()
	m.Condition("KnativeReady", false)
	m.Condition("KnativeConfigured", true)
	m.Condition("DefinitionsPresent", true)
	m.ConditionUnknown("DefinitionsPresent")
	m.Reloaded(nil)
	m.Reloaded(errors.New("bad"))
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %+v", err, problems)
	}
	want := `# HELP vdi_knative_config_corrections_total Keys of Knative's configuration which desktops need that somebody had taken away and that were set again.
# TYPE vdi_knative_config_corrections_total counter
vdi_knative_config_corrections_total 1
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
# HELP vdi_session_sleeps_total Desktops that were put to sleep, by the reason of the decision.
# TYPE vdi_session_sleeps_total counter
vdi_session_sleeps_total{reason="IdleTimeout"} 1
# HELP vdi_session_wakes_total Desktops that were woken.
# TYPE vdi_session_wakes_total counter
vdi_session_wakes_total 1
# HELP vdi_sessions Sessions by phase.
# TYPE vdi_sessions gauge
vdi_sessions{phase="Asleep"} 2
vdi_sessions{phase="Running"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "vdi_operator_config_last_reload_successful", "vdi_operator_config_reloads_total",
		"vdi_knative_config_corrections_total", "vdi_operator_condition", "vdi_session_sleeps_total", "vdi_session_wakes_total", "vdi_sessions"); err != nil {
		t.Error(err)
	}
}

func TestACountThatFailsIsNotZero(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(NewSessions(func(context.Context) (map[string]int, error) { return nil, errors.New("no cache") }))
	if _, err := reg.Gather(); err == nil || !strings.Contains(err.Error(), "no cache") {
		t.Errorf("have %v", err)
	}
}
