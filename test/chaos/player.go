package chaos

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/activator/directory"
	"github.com/org/vdi-operator/activator/record"
	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// player takes a round's steps.
type player struct {
	world  *World
	api    client.WithWatch
	ledger *Ledger
	nodes  *nodes
	guests *guests
	// elsewhere writes what activators would that are not ours: their clocks are not either.
	elsewhere *record.Writer
	// taken is how many steps were taken, missed how many found nothing to do or nobody.
	taken, missed int
	marked        time.Time
}

// markEvery is how often changes have to be waited for at most.
const markEvery = time.Second

// newPlayer begins a round whose namespaces begin with prefix. What it starts ends with ctx,
// and has ended when wait returns.
func newPlayer(ctx context.Context, w *World, prefix string) (p *player, wait func(), err error) {
	p = &player{world: w, api: w.Client(), ledger: NewLedger(prefix, w.Health)}
	p.guests = newGuests(w, p.ledger)
	if p.nodes, err = newNodes(ctx, p.api, p.ledger); err != nil {
		return nil, nil, err
	}
	d := directory.New(func(namespace, name string) string { return name + "--" + namespace }, nil)
	p.elsewhere = &record.Writer{Client: p.api, Directory: d}
	following := follow(ctx, p.api, p.ledger, d)
	played := make(chan struct{})
	go func() {
		defer close(played)
		p.nodes.run(ctx)
	}()
	return p, func() { following(); <-played }, nil
}

// play takes steps until one of the invariants is seen broken.
func (p *player) play(ctx context.Context, steps []Step) error {
	began := time.Now()
	for _, s := range steps {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(began.Add(s.At))):
		}
		err := p.take(ctx, s)
		p.taken++
		if err != nil && !passes(err) {
			return fmt.Errorf("step %s: %w", s, err)
		}
		if err != nil {
			p.missed++
		}
		if p.look(ctx) {
			return nil
		}
	}
	return nil
}

// look says that something is broken, of what can be judged by now.
func (p *player) look(ctx context.Context) bool {
	broken, waits := p.ledger.Broken(time.Now())
	if waits && time.Since(p.marked) > markEvery {
		p.marked = time.Now()
		_ = p.mark(ctx) // the next one does where the API server is away
	}
	return len(broken) > 0
}

func (p *player) take(ctx context.Context, s Step) error {
	within, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if kinds[s.Kind].lasting {
		within = ctx
	}
	return kinds[s.Kind].do(p, within, s)
}

// passes says that an error may be, while programs are away, objects go and quotas refuse. What
// the API server finds wrong in a step itself is a mistake of the step.
func passes(err error) bool { return !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) }

// patch changes the session of a step.
func (p *player) patch(ctx context.Context, s Step, format string, args ...any) error {
	o := &v1alpha1.VDISession{}
	o.Namespace, o.Name = p.key(s).Namespace, p.key(s).Name
	return p.api.Patch(ctx, o, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, format, args...)))
}

// patchStatus changes the status of the session of a step.
func (p *player) patchStatus(ctx context.Context, s Step, patch string) error {
	o := &v1alpha1.VDISession{}
	o.Namespace, o.Name = p.key(s).Namespace, p.key(s).Name
	return p.api.Status().Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// patchTemplate changes one of the templates.
func (p *player) patchTemplate(ctx context.Context, i int, format string, args ...any) error {
	o := &v1alpha1.VDITemplate{}
	o.Name = p.templateName(i)
	return p.api.Patch(ctx, o, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, format, args...)))
}
