package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
)

// heal takes back what steps broke: all programs run, nodes are there, and nothing is refused.
func (p *player) heal(ctx context.Context) error {
	for _, name := range nodeNames {
		p.nodes.lose(name, false)
	}
	if err := p.world.AwaitWell(ctx); err != nil {
		return err
	}
	if err := p.world.Configure(func(c *config.Sessions) { *c = config.Default().Sessions }); err != nil {
		return err
	}
	for _, space := range spaces {
		if err := p.insist(ctx, "no quota", func(ctx context.Context) error {
			return client.IgnoreNotFound(p.api.Delete(ctx, p.quota(space)))
		}); err != nil {
			return err
		}
		if err := p.insist(ctx, "no pod security", func(ctx context.Context) error {
			return client.IgnoreNotFound(p.enforce(ctx, space, "null"))
		}); err != nil {
			return err
		}
	}
	for i := range templates {
		if err := p.insist(ctx, "a sound template", func(ctx context.Context) error {
			return errors.Join(p.create(ctx, p.newTemplate(i)), p.patchTemplate(ctx, i, `{"spec":{"podTemplate":null,"lifecycle":null,"persistence":{"enabled":true}}}`))
		}); err != nil {
			return err
		}
	}
	return nil
}

// insist does something until it works, for the API server may be just back.
func (p *player) insist(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	return eventually.Wait(ctx, what, func() error {
		within, cancel := context.WithTimeout(ctx, callWithin)
		defer cancel()
		return do(within)
	})
}

// clear removes the round's namespaces and templates, whatever is in there.
func (p *player) clear(ctx context.Context) error {
	p.guests.leaveAll()
	for _, space := range spaces {
		if err := p.insist(ctx, "deletion of "+space, func(ctx context.Context) error {
			return client.IgnoreNotFound(p.api.Delete(ctx, p.newSpace(space)))
		}); err != nil {
			return err
		}
	}
	for i := range templates {
		if err := p.insist(ctx, "deletion of a template", func(ctx context.Context) error {
			return client.IgnoreNotFound(p.api.Delete(ctx, p.newTemplate(i)))
		}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	return eventually.Wait(ctx, "namespaces to be gone", func() error {
		for _, space := range spaces {
			ns := &corev1.Namespace{}
			if err := p.api.Get(ctx, client.ObjectKey{Name: p.namespace(space)}, ns); !apierrors.IsNotFound(err) {
				return fmt.Errorf("namespace %s: %w, %+v", p.namespace(space), err, ns.Status.Conditions)
			}
		}
		return nil
	})
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
