package main

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

func TestTheLeaderCountsSessionsAndTheirGPUs(t *testing.T) {
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
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
	reg.MustRegister(sessionMetrics(c, elected)...)
	if n, err := testutil.GatherAndCount(reg); n != 0 || err != nil {
		t.Fatalf("%d series of a replica that stands by, %v", n, err)
	}
	close(elected)
	want := `# HELP vdi_sessions Sessions by phase.
# TYPE vdi_sessions gauge
vdi_sessions{phase="Asleep"} 0
vdi_sessions{phase="Creating"} 1
vdi_sessions{phase="Failed"} 0
vdi_sessions{phase="Pending"} 3
vdi_sessions{phase="Running"} 1
vdi_sessions{phase="Terminating"} 0
# HELP vdi_sessions_waiting_for_gpu Sessions that wake and for which no GPU is free.
# TYPE vdi_sessions_waiting_for_gpu gauge
vdi_sessions_waiting_for_gpu 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "vdi_sessions", "vdi_sessions_waiting_for_gpu"); err != nil {
		t.Error(err)
	}
	all, err := countSessions(c, func() time.Time { return began.Add(2 * time.Hour) })(t.Context())
	if err != nil || all.LongestStart.Round(time.Second) != 2*time.Hour {
		t.Errorf("the longest start takes %s (%v), want two hours", all.LongestStart, err)
	}
	desktops, err := gpuDesktops(c)(t.Context())
	if err != nil || len(desktops) != 3 {
		t.Fatalf("%d desktops with GPUs, %v: %+v", len(desktops), err, desktops)
	}
	for _, d := range desktops {
		if d.Resource != "nvidia.com/mig-1g.5gb" || d.GPUs != 2 {
			t.Errorf("have %+v, want the template's GPUs", d)
		}
	}
	if d := desktops[0]; !d.AwakeSince.Equal(began.Truncate(time.Microsecond)) || !d.Woken.Equal(d.AwakeSince) {
		t.Errorf("the first by name is awake since %s and was woken at %s", d.AwakeSince, d.Woken)
	}
	if n, err := testutil.GatherAndCount(reg, "vdi_gpu_seconds_used_total"); n != 2 || err != nil {
		t.Errorf("%d resources, %v; want the default one and the template's", n, err)
	}
}
