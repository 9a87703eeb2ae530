package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/test/bench/look"
	"github.com/org/vdi-operator/test/harness"
)

// asked is answered by the desktop itself, 404, and kept by no cache on the way.
const asked = "/demo/files?name=none"

// longer than a run: what falls asleep meanwhile would disturb the others.
const longer = 2 * time.Hour

const (
	nameDoze  = "doze"
	namePaged = "paged"
	namePool  = "pool"
	nameZero  = "zero"
	nameFloor = "floor"
)

// bench is one run.
type bench struct {
	in       *harness.Installation
	root     *cgroup.Root
	desktops int
	// each is how many visits of each kind a desktop that dozes gets.
	each    int
	results map[string]*visits
	cost    cost
}

// visits are those of one kind: how long until the first byte, and until the first frame.
type visits struct{ bytes, frames []time.Duration }

func (b *bench) of(kind string) *visits {
	if b.results[kind] == nil {
		b.results[kind] = &visits{}
	}
	return b.results[kind]
}

// desktop is one session and its visitor.
type desktop struct {
	key     types.NamespacedName
	visitor *harness.Visitor
}

// template makes one with these clocks, and with a warm pool where one is given.
func (b *bench) template(ctx context.Context, kind string, clocks v1alpha1.Lifecycle, pool *v1alpha1.WarmPool) error {
	no, gpus := false, int32(0)
	spec := b.in.DemoTemplate()
	spec.Resources.DefaultGPU = &gpus
	spec.Persistence = v1alpha1.TemplatePersistence{Enabled: &no}
	spec.Lifecycle, spec.WarmPool = &clocks, pool
	// All fit on a small node.
	spec.PodTemplate = &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"spec":{"containers":[{"name":%q,"resources":{"requests":{"cpu":"10m"}}}]}}`,
		v1alpha1.ContainerDesktop)}
	return b.in.Recreate(ctx, &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: templateOf(kind)}, Spec: spec})
}

// sessions makes n of the kind's template.
func (b *bench) sessions(ctx context.Context, kind string, n int) (all []desktop, err error) {
	for i := range n {
		s := &v1alpha1.VDISession{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s-%d", kind, i)},
			Spec:       v1alpha1.VDISessionSpec{User: fmt.Sprintf("%s-%d@example.com", kind, i), Template: templateOf(kind)},
		}
		if err := b.in.Client.Create(ctx, s); err != nil {
			return nil, err
		}
		d := desktop{key: client.ObjectKeyFromObject(s)}
		if _, err := b.in.Session(ctx, d.key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep)); err != nil {
			return nil, err
		}
		link, err := b.in.Link(ctx, d.key, longer)
		if err != nil {
			return nil, err
		}
		if d.visitor, err = b.in.Invited(ctx, link); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func templateOf(kind string) string { return "bench-instant-" + kind }

func (b *bench) removeTemplates(ctx context.Context) error {
	for _, kind := range []string{nameDoze, nameZero, namePool} {
		tpl := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: templateOf(kind)}}
		if err := client.IgnoreNotFound(b.in.Client.Delete(ctx, tpl)); err != nil {
			return err
		}
	}
	return nil
}

// firstByte visits a desktop with a program.
func (b *bench) firstByte(ctx context.Context, kind string, d desktop) error {
	began := time.Now()
	resp, _, err := d.visitor.Get(ctx, asked, nil)
	took := time.Since(began)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusNotFound {
		return fmt.Errorf("the visitor of %s got %s", d.key.Name, resp.Status)
	}
	b.of(kind).bytes = append(b.of(kind).bytes, took)
	fmt.Fprintf(os.Stderr, "%s  first byte after %d ms\n", d.key.Name, took.Milliseconds())
	return nil
}

// firstFrame visits a desktop with Chromium.
func (b *bench) firstFrame(ctx context.Context, kind string, d desktop) error {
	link, err := b.in.Link(ctx, d.key, longer)
	if err != nil {
		return err
	}
	seen, err := look.At(ctx, link)
	if err != nil {
		return err
	}
	b.of(kind).frames = append(b.of(kind).frames, seen[look.Frame])
	fmt.Fprintf(os.Stderr, "%s  first frame after %d ms  %s\n", d.key.Name, seen[look.Frame].Milliseconds(), seen)
	return nil
}

// zero visits desktops at zero pods, one after the other.
func (b *bench) zero(ctx context.Context) error {
	var all []desktop
	err := within(ctx, func(ctx context.Context) (err error) {
		if err := b.template(ctx, nameZero, v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(lifecycle.Shortest)}, nil); err != nil {
			return err
		}
		all, err = b.sessions(ctx, nameZero, b.desktops)
		return err
	})
	if err != nil {
		return err
	}
	for _, visit := range []func(context.Context, string, desktop) error{b.firstByte, b.firstFrame} {
		for _, d := range all {
			err := within(ctx, func(ctx context.Context) error {
				s, err := b.in.Session(ctx, d.key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
				if err != nil {
					return err
				}
				if err := b.in.NoPods(ctx, s); err != nil {
					return err
				}
				return visit(ctx, nameZero, d)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
