package knativeready

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func deployment(name, version string, available int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "knative-serving", Name: name, Labels: map[string]string{versionLabel: version}},
		Status:     appsv1.DeploymentStatus{AvailableReplicas: available},
	}
}

func TestKnativeMustBeNewEnoughAndReady(t *testing.T) {
	for name, tc := range map[string]struct {
		version             string
		controller, webhook int32
		status              metav1.ConditionStatus
		reason, says        string
	}{
		"the oldest":               {"1.20.0", 1, 1, "True", "Ready", "1.20.0"},
		"a later one":              {"v1.23.1", 1, 3, "True", "Ready", "v1.23.1"},
		"built from the module":    {"0.50.0", 1, 1, "True", "Ready", "Knative Serving 1.23 (0.50.0) is ready."},
		"the oldest module":        {"0.47.0", 1, 1, "True", "Ready", "0.47.0"},
		"too old a module":         {"0.46.2", 1, 1, "False", "TooOld", "0.46.2"},
		"a module before releases": {"0.26.0", 1, 1, "False", "TooOld", "1.20 or later"},
		"too old":                  {"1.19.9", 1, 1, "False", "TooOld", "upgrade it"},
		"too old and down":         {"1.19.9", 0, 0, "False", "TooOld", "1.19.9"},
		"no controller":            {"1.23.0", 0, 1, "False", "NotReady", "describe deployment controller"},
		"no webhook":               {"1.23.0", 1, 0, "False", "NotReady", "describe deployment webhook"},
		"a build of somebody's":    {"devel", 1, 1, "True", "VersionUnknown", "1.20 or later"},
		"no label":                 {"", 1, 1, "True", "VersionUnknown", `""`},
		"a build, down":            {"devel", 0, 1, "False", "NotReady", "controller"},
	} {
		t.Run(name, func(t *testing.T) {
			status, reason, message := assess([]*appsv1.Deployment{
				deployment("controller", tc.version, tc.controller), deployment("webhook", tc.version, tc.webhook)})
			require.Equal(t, tc.status, status)
			require.Equal(t, tc.reason, reason)
			assert.Contains(t, message, tc.says)
		})
	}
}
