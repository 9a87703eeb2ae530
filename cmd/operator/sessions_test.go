package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/warmpool"
	"github.com/org/vdi-operator/pkg/metrics"
)

func TestTheLeaderCountsSessionsAndTheirGPUs(t *testing.T) {
	scheme, err := newScheme()
	require.NoError(t, err)
	two, none := int32(2), int32(0)
	template := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "blender"}}
	template.Spec.Resources.DefaultGPU, template.Spec.GPUResourceName = &two, "nvidia.com/mig-1g.5gb"
	began := metav1.NewMicroTime(time.Now().Add(-time.Hour))
	session := func(name string, change func(*v1alpha1.VDISession)) client.Object {
		s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name}, Spec: v1alpha1.VDISessionSpec{Template: "blender"}}
		if change != nil {
			change(s)
		}
		return s
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(template,
		session("new", nil),
		session("awake", func(s *v1alpha1.VDISession) {
			s.Status.Phase, s.Status.StartTime = v1alpha1.PhaseRunning, &began
			s.Status.Activity = &v1alpha1.SessionActivity{LastWakeTime: &began}
		}),
		session("waits", func(s *v1alpha1.VDISession) {
			s.Status.Phase, s.Status.StartTime = v1alpha1.PhaseCreating, &began
			s.Status.Waiting = &v1alpha1.SessionWaiting{Reason: v1alpha1.ReasonWaitingForGPU}
		}),
		session("elsewhere", func(s *v1alpha1.VDISession) { s.Spec.Template = "gone" }),
		session("modest", func(s *v1alpha1.VDISession) {
			s.Spec.Resources = &v1alpha1.SessionResources{GPU: &none}
		}),
	).Build()

	elected := make(chan struct{})
	reg := prometheus.NewRegistry()
	reg.MustRegister(sessionMetrics(c, &warmpool.Reconciler{}, elected)...)
	n, err := testutil.GatherAndCount(reg)
	require.Equal(t, 0, n)
	require.NoError(t, err, "series of a replica that stands by")
	close(elected)
	want := `# HELP vdi_sessions Sessions by phase.
# TYPE vdi_sessions gauge
vdi_sessions{phase="Asleep"} 0
vdi_sessions{phase="Creating"} 1
vdi_sessions{phase="Dozing"} 0
vdi_sessions{phase="Failed"} 0
vdi_sessions{phase="Pending"} 3
vdi_sessions{phase="Running"} 1
vdi_sessions{phase="Terminating"} 0
# HELP vdi_sessions_waiting_for_gpu Sessions that wake and for which no GPU is free.
# TYPE vdi_sessions_waiting_for_gpu gauge
vdi_sessions_waiting_for_gpu 1
`
	assert.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(want), "vdi_sessions", "vdi_sessions_waiting_for_gpu"))
	all, err := countSessions(c, func() time.Time { return began.Add(2 * time.Hour) })(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2*time.Hour, all.LongestStart.Round(time.Second), "the longest start takes %s, want two hours", all.LongestStart)
	desktops, err := gpuDesktops(c)(t.Context())
	require.NoError(t, err)
	desktops = slices.DeleteFunc(desktops, func(d metrics.GPUDesktop) bool { return d.GPUs == 0 })
	require.Len(t, desktops, 3, "desktops with GPUs")
	for _, d := range desktops {
		require.Equal(t, "nvidia.com/mig-1g.5gb", d.Resource)
		assert.EqualValues(t, 2, d.GPUs, "have %+v, want the template's GPUs", d)
	}
	d := desktops[0]
	require.True(t, d.AwakeSince.Equal(began.Truncate(time.Microsecond)))
	assert.True(t, d.Woken.Equal(d.AwakeSince), "the first by name is awake since %s and was woken at %s", d.AwakeSince, d.Woken)
	unused := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "unused"}, Spec: v1alpha1.VDITemplateSpec{GPUResourceName: "nvidia.com/mig-2g.10gb"}}
	require.NoError(t, c.Create(t.Context(), unused))
	for _, name := range []string{"vdi_gpu_seconds_used_total", "vdi_gpu_seconds_saved_total"} {
		n, err = testutil.GatherAndCount(reg, name)
		require.NoError(t, err)
		assert.Equal(t, 3, n, "%s: resources; want the default one and the templates', with sessions or not", name)
	}
}
