//go:build browser

package portal

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

const (
	namespace = "desks"
	ada       = "ada@example.com"
	bob       = "bob@example.com"
)

// said is how far ahead the clock is of those who say who is connected, whose word holds for a minute.
const said = 50 * time.Second

// everything is an installation as people may have it.
func everything(now time.Time) []client.Object {
	ago := func(d time.Duration) *metav1.MicroTime { return &metav1.MicroTime{Time: now.Add(-d)} }
	objects := []client.Object{
		template("workstation", "Linux workstation", "A full desktop with a GPU, for modelling, rendering and video.", 1, "16Gi", "4",
			"Blender", "Firefox", "Kdenlive"),
		template("office", "Office", "Mail, documents and the web.", 0, "4Gi", "2", "LibreOffice", "Thunderbird", "Firefox"),
		template("cad", "CAD", "", 2, "64Gi", "16", "FreeCAD", "KiCad", "OpenSCAD", "PrusaSlicer", "Blender", "Gmsh", "ParaView", "Inkscape"),
		template("blender", "Blender", "Blender alone, on a slice of a GPU.", 1, "8Gi", "2500m", "Blender"),
		template("broken", "Windows on the way", "In preparation.", 0, "8Gi", "4"),
		session("workstation-x7k2p", ada, "workstation", now, func(s *v1alpha1.VDISession) {
			awake(s, now)
			s.Status.Activity = &v1alpha1.SessionActivity{LastConnectedTime: ago(2 * time.Second), LastInputTime: ago(6 * time.Minute),
				LastWatchedTime: ago(time.Minute)}
			s.Status.Activity.Shares = []v1alpha1.ShareUse{{Name: "k3l9x2m8qp", Uses: 2}}
			s.Status.Activity.Present = map[string]v1alpha1.ReplicaPresence{
				"one": {At: metav1.NewMicroTime(now.Add(said)), People: []v1alpha1.PresentPerson{
					{User: ada, Role: "Owner", Since: *ago(2 * time.Hour)}, {User: bob, Role: "Viewer", Since: *ago(12 * time.Minute)}}},
				"two": {At: metav1.NewMicroTime(now.Add(said)), People: []v1alpha1.PresentPerson{
					{Share: "k3l9x2m8qp", Role: "Controller", Since: *ago(4 * time.Minute)}}}}
			s.Status.GPUUse = []v1alpha1.GPUDay{{Day: now.UTC().AddDate(0, 0, -3).Format(time.DateOnly), Seconds: 9 * 3600},
				{Day: now.UTC().AddDate(0, 0, -1).Format(time.DateOnly), Seconds: 26640}}
			s.Spec.Shares = []v1alpha1.Share{{Name: "bob", User: bob, Role: v1alpha1.ShareViewer,
				ExpiresAt: &metav1.Time{Time: now.Add(3 * time.Hour)}},
				{Name: "k3l9x2m8qp", Role: v1alpha1.ShareController, Link: &v1alpha1.ShareLink{MaxUses: 5},
					ExpiresAt: &metav1.Time{Time: now.Add(6 * 24 * time.Hour)}}}
		}),
		session("office-m4wzb", ada, "office", now, func(s *v1alpha1.VDISession) {
			s.Status.SleepTime, s.Status.SleepReason = ago(15*time.Hour), v1alpha1.ReasonIdleTimeout
			s.Status.Activity = &v1alpha1.SessionActivity{LastConnectedTime: ago(15 * time.Hour)}
		}),
		session("cad-9qd4t", ada, "cad", now, func(s *v1alpha1.VDISession) {
			starts(s, now, v1alpha1.ReasonNoNodeLargeEnough, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. No node has 2.")
		}),
		session("render-8hvw5", "cleo@example.com", "workstation", now, func(s *v1alpha1.VDISession) {
			starts(s, now, v1alpha1.ReasonWaitingForGPU, "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")
			s.Spec.Shares = []v1alpha1.Share{{Name: "ada", User: ada, Role: v1alpha1.ShareController}}
		}),
	}
	broken := objects[4].(*v1alpha1.VDITemplate)
	broken.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionValid, Status: metav1.ConditionFalse,
		Reason:  v1alpha1.ReasonRefused,
		Message: "spec.podTemplate.spec.runtimeClassName: there is no RuntimeClass kata"}}
	objects[3].(*v1alpha1.VDITemplate).Spec.GPUResourceName = "nvidia.com/mig-1g.5gb"
	for i := range 120 {
		objects = append(objects, session(fmt.Sprintf("office-%05d", i), fmt.Sprintf("user%d@example.com", i), "office", now,
			func(s *v1alpha1.VDISession) {
				if i%3 == 0 {
					awake(s, now)
					s.Status.Activity = &v1alpha1.SessionActivity{LastConnectedTime: ago(time.Duration(i) * time.Minute)}
				}
			}))
	}
	return objects
}

func template(name, title, description string, gpus int32, memory, cpu string, programs ...string) *v1alpha1.VDITemplate {
	t := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.VDITemplateSpec{DisplayName: title,
		Description: description,
		Icon:        "https://icons.example.com/" + name + ".svg", Image: "desktop", GPUResourceName: "nvidia.com/gpu",
		Resources: v1alpha1.TemplateResources{DefaultGPU: &gpus, DefaultMemory: ptr.To(resource.MustParse(memory)),
			DefaultCPU: ptr.To(resource.MustParse(cpu))},
		Persistence: v1alpha1.TemplatePersistence{Size: ptr.To(resource.MustParse("20Gi"))}}}
	for _, p := range programs {
		t.Spec.Applications = append(t.Spec.Applications, v1alpha1.Application{Name: p})
	}
	return t
}

func session(name, user, template string, now time.Time, how func(*v1alpha1.VDISession)) *v1alpha1.VDISession {
	clocks := lifecycle.Defaults()
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name),
		CreationTimestamp: metav1.NewTime(now.Add(-20 * 24 * time.Hour))},
		Spec: v1alpha1.VDISessionSpec{User: user, Template: template, Power: v1alpha1.PowerOnDemand},
		Status: v1alpha1.VDISessionStatus{ObservedGeneration: 1, Lifecycle: &clocks,
			LastStartDuration: &metav1.Duration{Duration: 8 * time.Second},
			SleepTime:         &metav1.MicroTime{Time: now.Add(-3 * 24 * time.Hour)}, SleepReason: v1alpha1.ReasonDisconnectTimeout}}
	how(s)
	return s
}

func awake(s *v1alpha1.VDISession, now time.Time) {
	at := metav1.NewMicroTime(now.Add(-2 * time.Hour))
	s.Status.StartTime, s.Status.ReadyTime = &at, &at
}

func starts(s *v1alpha1.VDISession, now time.Time, reason, detail string) {
	s.Status.StartTime, s.Status.ReadyTime = &metav1.MicroTime{Time: now.Add(-4 * time.Minute)}, nil
	s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: detail}}
	s.Status.Activity = &v1alpha1.SessionActivity{LastConnectedTime: &metav1.MicroTime{Time: now.Add(-time.Second)}}
	s.Status.Waiting = &v1alpha1.SessionWaiting{Reason: reason, Detail: detail, Since: metav1.NewTime(now.Add(-3 * time.Minute))}
}
