package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

const (
	nameOurs    = "ours"
	nameOursAPI = "ours-api"
	nameDoze    = "ours-doze"
	nameKnative = "knative"
	nameFloor   = "floor"

	// What every contender's container may use and reserves.
	cpuLimit, cpuRequest, memoryLimit = "200m", "5m", "128Mi"
)

// stages are the times after the request at which each stage was seen.
type stages map[string][]time.Duration

// ours is a visitor through our activator.
type ours struct {
	in     *harness.Installation
	called string
	agent  bool
	// dozeAfter has the desktops doze; zero for no.
	dozeAfter time.Duration
	visitors  []*harness.Visitor
	stages    stages
}

func newOurs(in *harness.Installation, name string, agent bool) *ours {
	return &ours{in: in, called: name, agent: agent, stages: stages{}}
}

func (o *ours) name() string { return o.called }

// podTemplate reserves as much as the others do, so that all fit on a small node.
func (o *ours) podTemplate() []byte {
	containers := fmt.Sprintf(`{"name":%q,"resources":{"requests":{"cpu":%q}}}`, v1alpha1.ContainerDesktop, cpuRequest)
	if !o.agent {
		containers += fmt.Sprintf(`,{"name":%q,"$patch":"delete"}`, v1alpha1.ContainerAgent)
	}
	return fmt.Appendf(nil, `{"spec":{"containers":[%s]}}`, containers)
}

func (o *ours) setUp(ctx context.Context, n int) error {
	no, gpus, memory, cpu := false, int32(0), resource.MustParse(memoryLimit), resource.MustParse(cpuLimit)
	tpl := &v1alpha1.VDITemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "bench-coldstart-" + o.called},
		Spec: v1alpha1.VDITemplateSpec{
			Image:     o.in.BenchImage,
			Resources: v1alpha1.TemplateResources{DefaultGPU: &gpus, DefaultMemory: &memory, DefaultCPU: &cpu},
			// No volumes, as the others have none: kubelet polls for them.
			Persistence:  v1alpha1.TemplatePersistence{Enabled: &no},
			SharedMemory: &resource.Quantity{},
			Lifecycle: &v1alpha1.Lifecycle{
				DisconnectTimeout: v1alpha1.NewDuration(asleepAgain), DozeAfter: v1alpha1.NewDuration(o.dozeAfter), DozeFor: v1alpha1.NewDuration(asleepAgain)},
			PodTemplate: &runtime.RawExtension{Raw: o.podTemplate()},
		},
	}
	if err := o.in.Recreate(ctx, tpl); err != nil {
		return err
	}
	for i := range n {
		s := &v1alpha1.VDISession{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s-%d", o.called, i)},
			Spec:       v1alpha1.VDISessionSpec{User: fmt.Sprintf("%s-%d@example.com", o.called, i), Template: tpl.Name},
		}
		if err := o.in.Client.Create(ctx, s); err != nil {
			return err
		}
		key := client.ObjectKeyFromObject(s)
		if _, err := o.in.Session(ctx, key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep)); err != nil {
			return err
		}
		link, err := o.in.Link(ctx, key, time.Hour)
		if err != nil {
			return err
		}
		visitor, err := o.in.Invited(ctx, link)
		if err != nil {
			return err
		}
		o.visitors = append(o.visitors, visitor)
	}
	return nil
}

func (o *ours) wake(ctx context.Context, i int) (time.Duration, error) {
	visitor := o.visitors[i]
	began := time.Now()
	resp, _, err := visitor.Get(ctx, "/", nil)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the visitor got %s", resp.Status)
	}
	status, err := visitor.Status(ctx)
	if err != nil {
		return 0, err
	}
	for stage, at := range status.Timeline {
		o.stages[stage] = append(o.stages[stage], time.Duration(at-status.Timeline["requested"])*time.Millisecond)
	}
	return took, nil
}
