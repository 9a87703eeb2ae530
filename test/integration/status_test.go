//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/installation"
	"github.com/org/vdi-operator/pkg/controller/knativeready"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
)

// leader is a replica that leads until its test ends, or earlier.
func leader(t *testing.T, ns string) (conditions *installation.Conditions, stop func()) {
	t.Helper()
	conditions = installation.NewConditions(metrics.NewOperator(prometheus.NewRegistry()), v1alpha1.ConditionDefinitionsPresent, v1alpha1.ConditionKnativeReady)
	r := &installation.Reporter{Client: api, Installation: config.Installation{Name: "vdi", Namespace: ns}, Deployment: "vdi-operator", Conditions: conditions, Events: recorder}
	return conditions, start(t, r.Start)
}

func start(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stopped := false
	stop = func() {
		if cancel(); !stopped {
			stopped = true
			require.NoError(t, <-ended)
		}
	}
	t.Cleanup(stop)
	return stop
}

// told waits until the installation says all of that.
func told(t *testing.T, ns string, says ...string) *corev1.ConfigMap {
	t.Helper()
	cm := &corev1.ConfigMap{}
	eventually.NoError(t, "the conditions are told", func() error {
		if err := api.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "vdi-status"}, cm); err != nil {
			return err
		}
		text := strings.Join(strings.Fields(cm.Data[installation.ConditionsKey]), " ") // YAML breaks long lines.
		for _, part := range says {
			if !strings.Contains(text, part) {
				return fmt.Errorf("%q is not in\n%s", part, text)
			}
		}
		return nil
	})
	return cm
}

// deployed makes a Deployment as Helm or Knative's YAML does.
func deployed(t *testing.T, ns, name, version string) *appsv1.Deployment {
	t.Helper()
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{"app.kubernetes.io/version": version}},
		Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: name, Image: "dev.local/" + name}}}}},
	}
	require.NoError(t, api.Create(t.Context(), d))
	return d
}

func TestTheInstallationsConditionsAreToldOnChangeAndGoWithTheOperator(t *testing.T) {
	t.Parallel()
	ns := space(t)
	owner := deployed(t, ns, "vdi-operator", "1.0")
	first, stop := leader(t, ns)
	first.Set(v1alpha1.ConditionDefinitionsPresent, metav1.ConditionTrue, v1alpha1.ReasonPresent, "all there")
	first.Set(v1alpha1.ConditionKnativeReady, metav1.ConditionFalse, v1alpha1.ReasonNotInstalled, "install it")
	cm := told(t, ns, "type: DefinitionsPresent", "reason: NotInstalled", "message: install it")
	refs := cm.OwnerReferences
	require.Len(t, refs, 1)
	assert.Equal(t, owner.UID, refs[0].UID, "owned")
	assert.Equal(t, "vdi", cm.Labels[installation.LabelStatus], "labels %v", cm.Labels)
	awaitEvent(t, ns, "", v1alpha1.ReasonNotInstalled, "KnativeReady is False: install it")
	first.Set(v1alpha1.ConditionKnativeReady, metav1.ConditionFalse, v1alpha1.ReasonNotInstalled, "install it")
	always(t, "nothing is written without a change", func() error {
		if now := told(t, ns); now.ResourceVersion != cm.ResourceVersion {
			return fmt.Errorf("written at %s", now.ResourceVersion)
		}
		return nil
	})

	// Another leads and does not know all yet.
	stop()
	second, _ := leader(t, ns)
	second.Set(v1alpha1.ConditionDefinitionsPresent, metav1.ConditionFalse, v1alpha1.ReasonMissing, "gone")
	told(t, ns, "message: gone", "message: install it")
	second.Set(v1alpha1.ConditionKnativeReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "here it is")
	told(t, ns, "message: gone", "message: here it is")
}

func TestWhetherKnativeIsReadyIsToldWhateverTheClusterHas(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		version   string
		available int32
		says      []string
	}{
		"nothing":  {"", 0, []string{"reason: NotInstalled", "1.20 or later", "knative.namespace"}},
		"too old":  {"1.19.0", 1, []string{"reason: TooOld", "1.19.0"}},
		"not up":   {"1.23.0", 0, []string{"reason: NotReady", "describe deployment controller"}},
		"as it is": {"1.23.0", 1, []string{"reason: Ready", "1.23.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := space(t)
			for _, part := range []string{"controller", "webhook"} {
				if tc.version == "" {
					continue
				}
				d := deployed(t, ns, part, tc.version)
				d.Status = appsv1.DeploymentStatus{Replicas: 1, ReadyReplicas: tc.available, AvailableReplicas: tc.available}
				require.NoError(t, api.Status().Update(t.Context(), d))
			}
			conditions, _ := leader(t, ns)
			start(t, (&knativeready.Check{Reader: api, Namespace: ns, Conditions: conditions}).Start)
			told(t, ns, tc.says...)
		})
	}
}
