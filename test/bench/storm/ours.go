package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

const (
	nameOurs     = "ours"
	templateName = "bench-storm"
	linkTTL      = time.Hour
	// linkers make links at the same time.
	linkers = 4
)

// ours are visitors through our activator.
type ours struct {
	in       *harness.Installation
	visitors []*harness.Visitor
}

func (o *ours) name() string { return nameOurs }

// setUp wakes each session once, so that it has what it runs on, and switches it off again.
func (o *ours) setUp(ctx context.Context, n int) error {
	if err := o.in.Recreate(ctx, template(o.in.BenchImage)); err != nil {
		return err
	}
	for i := range n {
		if err := o.in.Client.Create(ctx, session(i)); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		power v1alpha1.Power
		is    func(*v1alpha1.VDISession) bool
	}{
		{v1alpha1.PowerAlwaysOn, func(s *v1alpha1.VDISession) bool { return s.Status.PodName != "" }},
		{v1alpha1.PowerOff, harness.InPhase(v1alpha1.PhaseAsleep)},
		{v1alpha1.PowerOnDemand, harness.InPhase(v1alpha1.PhaseAsleep)},
	} {
		if err := o.power(ctx, n, step.power, step.is); err != nil {
			return err
		}
	}
	if err := eventually.Wait(ctx, "desktops to be at zero", func() error {
		_, err := atZero(ctx, o.in.Client, n)
		return err
	}); err != nil {
		return err
	}
	return o.invite(ctx, n)
}

// power switches all sessions and waits until each is so.
func (o *ours) power(ctx context.Context, n int, power v1alpha1.Power, is func(*v1alpha1.VDISession) bool) error {
	for i := range n {
		if err := o.in.Client.Patch(ctx, session(i), client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"power":%q}}`, power))); err != nil {
			return err
		}
	}
	for i := range n {
		_, err := o.in.Session(ctx, client.ObjectKeyFromObject(session(i)), "switched to "+string(power), func(s *v1alpha1.VDISession) bool {
			return s.Status.ObservedGeneration == s.Generation && is(s)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *ours) invite(ctx context.Context, n int) error {
	o.visitors = make([]*harness.Visitor, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(linkers)
	for i := range n {
		group.Go(func() error {
			link, err := o.in.Link(ctx, client.ObjectKeyFromObject(session(i)), linkTTL)
			if err == nil {
				o.visitors[i], err = o.in.Invited(ctx, link)
			}
			return err
		})
	}
	return group.Wait()
}

func (o *ours) visit(ctx context.Context, i int) error {
	resp, _, err := o.visitors[i].Get(ctx, "/", nil)
	if err == nil {
		err = fmt.Errorf("answered %s", resp.Status)
	}
	return err
}

func template(image string) *v1alpha1.VDITemplate {
	no, gpus := false, int32(0)
	return &v1alpha1.VDITemplate{
		ObjectMeta: metav1.ObjectMeta{Name: templateName},
		Spec: v1alpha1.VDITemplateSpec{
			Image:     image,
			Resources: v1alpha1.TemplateResources{DefaultGPU: &gpus},
			// The node has no room for so many homes, and they are not what is measured.
			Persistence: v1alpha1.TemplatePersistence{Enabled: &no},
			PodTemplate: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"spec":{"nodeSelector":{%q:"open"}}}`, gateLabel)},
		},
	}
}

func session(i int) *v1alpha1.VDISession {
	return &v1alpha1.VDISession{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("desktop-%d", i)},
		Spec:       v1alpha1.VDISessionSpec{User: fmt.Sprintf("person-%d@example.com", i), Template: templateName},
	}
}
