package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
)

func buildPlain(t *testing.T, tmpl *v1alpha1.VDITemplate, startup time.Duration) (*appsv1.Deployment, *corev1.Service) {
	t.Helper()
	shape, err := Build(config.Default(), tmpl, session(), startup)
	require.NoError(t, err)
	deployment, service, err := plain(shape)
	require.NoError(t, err)
	return deployment, service
}

func TestADesktopIsADeploymentAtZeroThatNeverHasTwoPods(t *testing.T) {
	d, _ := buildPlain(t, template(), 10*time.Minute)
	labels := map[string]string{v1alpha1.LabelSession: "ada", v1alpha1.LabelTemplate: "egl", v1alpha1.LabelUser: UserHash("ada@example.com")}
	equal(t, "name", d.Namespace+"/"+d.Name, "team/ada")
	equal(t, "labels", d.Labels, labels)
	equal(t, "pod's labels", d.Spec.Template.Labels, labels)
	equal(t, "selector", d.Spec.Selector, map[string]any{"matchLabels": map[string]any{v1alpha1.LabelSession: "ada"}})
	equal(t, "replicas", d.Spec.Replicas, 0)
	equal(t, "strategy", d.Spec.Strategy, map[string]any{"type": "Recreate"})
	equal(t, "history", d.Spec.RevisionHistoryLimit, 0)
	equal(t, "deadline", d.Spec.ProgressDeadlineSeconds, 1200)
	d, _ = buildPlain(t, template(), 0)
	equal(t, "deadline without a startup timeout", d.Spec.ProgressDeadlineSeconds, 24*60*60)
}

func TestAPlainDesktopsPodIsKnativesButForWhatKnativeAdds(t *testing.T) {
	d, _ := buildPlain(t, template(), 10*time.Minute)
	service := build(t, template(), session())
	have, want := d.Spec.Template.Spec, *service.Spec.Template.Spec.PodSpec.DeepCopy()
	equal(t, "termination grace", have.TerminationGracePeriodSeconds, 30)
	have.TerminationGracePeriodSeconds = nil
	equal(t, "name", have.Hostname, "ada")
	equal(t, "files of a group", have.SecurityContext.FSGroupChangePolicy, "OnRootMismatch")
	have.Hostname, have.SecurityContext.FSGroupChangePolicy = "", nil
	want.Containers[0].Env = append(want.Containers[0].Env, corev1.EnvVar{Name: "PORT", Value: "8080"})
	equal(t, "pod", have, want)
}

// A Deployment's pods have their session's name as host name, which is not by which activators know them.
func TestAPlainDesktopsAgentIsToldItsPodsName(t *testing.T) {
	shape, err := Build(withAgent(), template(), session(), time.Minute)
	require.NoError(t, err)
	d, _, err := plain(shape)
	require.NoError(t, err)
	pool, err := PoolPod(shape, "tokens")
	require.NoError(t, err)
	service, err := knativeService(shape)
	require.NoError(t, err)
	names := func(pod corev1.PodSpec) (paths []string) {
		for _, c := range pod.Containers {
			for _, e := range c.Env {
				if c.Name == v1alpha1.ContainerAgent && e.Name == agentPodEnv {
					paths = append(paths, e.ValueFrom.FieldRef.FieldPath)
				}
			}
		}
		return paths
	}
	assert.Equal(t, []string{"metadata.name"}, names(d.Spec.Template.Spec))
	assert.Equal(t, []string{"metadata.name"}, names(pool.Spec))
	assert.Empty(t, names(service.Spec.Template.Spec.PodSpec), "Knative refuses fields of the pod")
}

func TestATemplateDecidesOverGraceAndPort(t *testing.T) {
	tmpl := template()
	tmpl.Spec.Env = []corev1.EnvVar{{Name: "PORT", Value: "9"}}
	tmpl.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"terminationGracePeriodSeconds":5,"hostname":"theirs","securityContext":{"fsGroupChangePolicy":"Always"}}}`)}
	d, _ := buildPlain(t, tmpl, time.Minute)
	equal(t, "grace", d.Spec.Template.Spec.TerminationGracePeriodSeconds, 5)
	equal(t, "name", d.Spec.Template.Spec.Hostname, "theirs")
	equal(t, "files of a group", d.Spec.Template.Spec.SecurityContext.FSGroupChangePolicy, "Always")
	equal(t, "port", envOf(d.Spec.Template.Spec.Containers[0], "PORT"), []map[string]any{{"name": "PORT", "value": "9"}})
}

func TestASessionsInClusterNameLeadsToTheActivator(t *testing.T) {
	_, s := buildPlain(t, template(), time.Minute)
	equal(t, "name", s.Namespace+"/"+s.Name, "team/ada")
	equal(t, "spec", s.Spec, map[string]any{
		"type": "ExternalName", "externalName": "vdi-activator-internal.vdi-system.svc.cluster.local",
		"ports": []map[string]any{{"name": "http", "port": 80, "targetPort": 80}},
	})
}

func TestAPlainDesktopsHashChangesWithItsShapeOnly(t *testing.T) {
	hash := func(change func(*v1alpha1.VDITemplate)) string {
		tmpl := template()
		change(tmpl)
		d, _ := buildPlain(t, tmpl, time.Minute)
		return d.Annotations[v1alpha1.AnnotationShapeHash]
	}
	same := hash(func(*v1alpha1.VDITemplate) {})
	require.Equal(t, same, hash(func(tm *v1alpha1.VDITemplate) { tm.Spec.DisplayName = "other" }))
	assert.NotEmpty(t, same, "hash, then")
	assert.NotEqual(t, same, hash(func(tm *v1alpha1.VDITemplate) { tm.Spec.Image = "desktop:2" }), "another image, the same hash")
}

func TestWhyADeploymentHasNoPodIsSaid(t *testing.T) {
	d := &appsv1.Deployment{Status: appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{
		{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: "exceeded quota: team"},
	}}}
	equal(t, "progress", noPod(d), map[string]any{
		"Reason": v1alpha1.ReasonPodNotCreated, "Detail": "exceeded quota: team", "Message": "The desktop's pod cannot be created: exceeded quota: team",
		"Resource": "", "Image": "", "Stuck": true, "Until": nil, "Overdue": ""})
	equal(t, "nothing to say", noPod(&appsv1.Deployment{}), Progress{})
}
