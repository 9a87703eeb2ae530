package desktops

import (
	"context"

	"github.com/org/vdi-operator/pkg/node/cgroup"
	"github.com/org/vdi-operator/pkg/node/pageout"
)

// pageOut gives a frozen desktop's memory to the node, in the background, until a thaw comes.
func (ds *Desktops) pageOut(d *desktop, c cgroup.Container) {
	if !ds.PageOut {
		return
	}
	ctx, end := context.WithCancelCause(ds.alive)
	d.at.Lock()
	if d.at.paging != nil {
		d.at.paging(errThawed)
	}
	d.at.paging = end
	d.at.Unlock()
	ds.background(func(context.Context) {
		defer end(nil)
		select {
		case ds.paging <- struct{}{}:
			defer func() { <-ds.paging }()
		case <-ctx.Done():
			return
		}
		began := ds.Now()
		bytes, err := pageout.Run(ctx, c)
		ds.Metrics.PagedOut(bytes, err != nil)
		log := ds.Log.With("pod", d.uid, "bytes", bytes, "took", ds.Now().Sub(began).String())
		if err != nil {
			log.Warn("a frozen desktop could not be paged out; it stays frozen in memory", "error", err)
			return
		}
		log.Debug("paged a desktop out")
	})
}
