package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

const (
	nameOurs    = "ours"
	nameKnative = "knative"
	nameFloor   = "floor"
)

// ours is a visitor through our activator.
type ours struct {
	in      *harness.Installation
	key     types.NamespacedName
	session *v1alpha1.VDISession
	visitor *harness.Visitor
	stages  map[string][]time.Duration
}

func (o *ours) name() string { return nameOurs }

func (o *ours) setUp(ctx context.Context) error {
	no, gpus, memory, cpu := false, int32(0), resource.MustParse("128Mi"), resource.MustParse("200m")
	tpl := &v1alpha1.VDITemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "bench-coldstart"},
		Spec: v1alpha1.VDITemplateSpec{
			Image:       o.in.BenchImage,
			Resources:   v1alpha1.TemplateResources{DefaultGPU: &gpus, DefaultMemory: &memory, DefaultCPU: &cpu},
			Persistence: v1alpha1.TemplatePersistence{Enabled: &no},
			Lifecycle: &v1alpha1.LifecycleSpec{
				DisconnectTimeout: &v1alpha1.Duration{Duration: metav1.Duration{Duration: 10 * time.Second}}},
		},
	}
	if err := recreate(ctx, o.in.Client, tpl); err != nil {
		return err
	}
	s := &v1alpha1.VDISession{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ours"},
		Spec:       v1alpha1.VDISessionSpec{User: "bench@example.com", Template: tpl.Name},
	}
	if err := recreate(ctx, o.in.Client, s); err != nil {
		return err
	}
	o.key = client.ObjectKeyFromObject(s)
	var err error
	if o.session, err = o.in.Session(ctx, o.key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep)); err != nil {
		return err
	}
	link, err := o.in.Link(ctx, o.key, 2*time.Hour)
	if err != nil {
		return err
	}
	o.visitor, err = o.in.Invited(ctx, link)
	return err
}

func (o *ours) wake(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	resp, _, err := o.visitor.Get(ctx, "/", nil)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the visitor got %s", resp.Status)
	}
	status, err := o.visitor.Status(ctx)
	if err != nil {
		return 0, err
	}
	for stage, at := range status.Timeline {
		o.stages[stage] = append(o.stages[stage], time.Duration(at-status.Timeline["requested"])*time.Millisecond)
	}
	return took, nil
}

func (o *ours) settle(ctx context.Context) error {
	s, err := o.in.Session(ctx, o.key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	if err != nil {
		return err
	}
	return o.in.NoPods(ctx, s)
}

// recreate makes a new object in the place of one that an earlier run left.
func recreate(ctx context.Context, c client.Client, o client.Object) error {
	old := o.DeepCopyObject().(client.Object)
	return harness.Eventually(ctx, "a new "+o.GetName(), func() error {
		if err := client.IgnoreNotFound(c.Delete(ctx, old)); err != nil {
			return err
		}
		return c.Create(ctx, o.DeepCopyObject().(client.Object))
	})
}
