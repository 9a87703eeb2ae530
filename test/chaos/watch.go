package chaos

import (
	"context"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// watchAgain is the pause before a watch that has ended is begun anew.
const watchAgain = 200 * time.Millisecond

// follow writes what happens to sessions and pods into the ledger and, for reports from
// elsewhere, into a directory, until ctx ends.
func follow(ctx context.Context, c client.WithWatch, l *Ledger, d *directory.Directory) (wait func()) {
	sessions := &follower[*v1alpha1.VDISession]{client: c, list: &v1alpha1.VDISessionList{}, known: map[types.UID]*v1alpha1.VDISession{},
		items: func(list client.ObjectList) []*v1alpha1.VDISession {
			return pointers(list.(*v1alpha1.VDISessionList).Items)
		},
		seen: func(s *v1alpha1.VDISession, again bool) {
			l.SawSession(s, time.Now(), again)
			d.SetSession(s)
		},
		gone: func(s *v1alpha1.VDISession, _ uint64) {
			l.GoneSession(s.UID)
			d.DropSession(client.ObjectKeyFromObject(s))
		},
		gap: l.Gap, reached: l.Reached,
	}
	pods := &follower[*corev1.Pod]{client: c, list: &corev1.PodList{}, known: map[types.UID]*corev1.Pod{},
		items: func(list client.ObjectList) []*corev1.Pod { return pointers(list.(*corev1.PodList).Items) },
		seen:  func(p *corev1.Pod, _ bool) { l.SawPod(p, time.Now()) },
		gone:  func(p *corev1.Pod, at uint64) { l.GonePod(p, at, time.Now()) },
		gap:   func(uint64, uint64) {}, reached: func(uint64) {},
	}
	deployments := &follower[*appsv1.Deployment]{client: c, list: &appsv1.DeploymentList{}, known: map[types.UID]*appsv1.Deployment{},
		items: func(list client.ObjectList) []*appsv1.Deployment {
			return pointers(list.(*appsv1.DeploymentList).Items)
		},
		seen: func(d *appsv1.Deployment, _ bool) { l.SawDeployment(d) },
		gone: func(*appsv1.Deployment, uint64) {}, gap: func(uint64, uint64) {}, reached: func(uint64) {},
	}
	var following sync.WaitGroup
	following.Go(func() { deployments.run(ctx) })
	following.Go(func() { sessions.run(ctx) })
	following.Go(func() { pods.run(ctx) })
	return following.Wait
}

func pointers[T any](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	return all
}

// follower lists and watches a kind. Where a watch ends, it lists again: what was between is not
// known then.
type follower[T client.Object] struct {
	client client.WithWatch
	list   client.ObjectList
	items  func(client.ObjectList) []T
	// seen takes a version, again says that those before it may be missing; gone takes the last
	// version that was seen, and the revision at which it is known to be gone; gap takes between
	// which revisions not all was seen.
	seen func(o T, again bool)
	gone func(last T, at uint64)
	gap  func(from, to uint64)
	// reached takes up to which revision all has been seen.
	reached func(uint64)

	known map[types.UID]T
	// last is the newest revision that was seen; 0 is none.
	last uint64
}

func (f *follower[T]) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := f.lists(ctx); err == nil {
			f.watches(ctx)
		}
		_ = pause(ctx, watchAgain)
	}
}

func (f *follower[T]) lists(ctx context.Context) error {
	list := f.list.DeepCopyObject().(client.ObjectList)
	if err := f.client.List(ctx, list); err != nil {
		return err
	}
	at, _ := strconv.ParseUint(list.GetResourceVersion(), 10, 64)
	again := f.last > 0
	if again {
		f.gap(f.last, at)
	}
	before := f.known
	f.known, f.last = map[types.UID]T{}, at
	items := f.items(list)
	for _, o := range items {
		f.known[o.GetUID()] = o
	}
	for uid, o := range before {
		if _, there := f.known[uid]; !there {
			f.gone(o, at)
		}
	}
	for _, o := range items {
		f.seen(o, again)
	}
	f.reached(at)
	return nil
}

func (f *follower[T]) watches(ctx context.Context) {
	from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: strconv.FormatUint(f.last, 10)}}
	w, err := f.client.Watch(ctx, f.list.DeepCopyObject().(client.ObjectList), from)
	if err != nil {
		return
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		o, is := e.Object.(T)
		if !is || e.Type == watch.Error {
			return
		}
		f.last = revision(o)
		if e.Type == watch.Deleted {
			delete(f.known, o.GetUID())
			f.gone(o, f.last)
		} else {
			f.known[o.GetUID()] = o
			f.seen(o, false)
		}
		f.reached(f.last)
	}
}
