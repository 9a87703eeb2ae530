package main

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

// pool visits sessions for the first time, of a template whose desktops wait in a warm pool.
func (b *bench) pool(ctx context.Context) error {
	all, n := []desktop(nil), b.desktops
	err := within(ctx, func(ctx context.Context) (err error) {
		err = b.template(ctx, namePool, v1alpha1.Lifecycle{DisconnectTimeout: v1alpha1.NewDuration(longer)},
			&v1alpha1.WarmPool{Replicas: int32(n), Namespaces: []string{namespace}})
		if err != nil {
			return err
		}
		all, err = b.sessions(ctx, namePool, 2*n)
		return err
	})
	if err != nil {
		return err
	}
	for i, d := range all {
		err := within(ctx, func(ctx context.Context) error {
			// As many as there were: what starts in the place of others would count.
			if err := b.waiting(ctx, n, i); err != nil {
				return err
			}
			if i < n {
				return b.firstByte(ctx, namePool, d)
			}
			return b.firstFrame(ctx, namePool, d)
		})
		if err != nil {
			return err
		}
	}
	return within(ctx, func(ctx context.Context) error { return b.gone(ctx, all) })
}

// gone deletes the pool and its sessions, which would take from those that come next.
func (b *bench) gone(ctx context.Context, all []desktop) error {
	if err := b.removeTemplates(ctx); err != nil {
		return err
	}
	for _, d := range all {
		s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: d.key.Namespace, Name: d.key.Name}}
		if err := client.IgnoreNotFound(b.in.Client.Delete(ctx, s)); err != nil {
			return err
		}
		if err := b.in.NoPods(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// waiting waits until n desktops are frozen in the pool, and the template knows of the claims
// before.
func (b *bench) waiting(ctx context.Context, n, claimed int) error {
	return eventually.Wait(ctx, fmt.Sprintf("%d desktops to be frozen in the pool", n), func() error {
		tpl := &v1alpha1.VDITemplate{}
		if err := b.in.Client.Get(ctx, types.NamespacedName{Name: templateOf(namePool)}, tpl); err != nil {
			return err
		}
		if w := tpl.Status.WarmPool; w == nil || int(w.Dozing) != n || int(w.Claimed) != claimed {
			return fmt.Errorf("the template says %+v", w)
		}
		return nil
	})
}
