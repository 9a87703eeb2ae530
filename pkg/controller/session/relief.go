package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/pods"
	"github.com/org/vdi-operator/pkg/token"
)

const (
	// pressureLookedAt is how often nodes are asked on which something dozes or waits: their kernels
	// tell an average of as long.
	pressureLookedAt = 10 * time.Second
	// pressureWithin bounds an answer, pressuresAtOnce how many are waited for.
	pressureWithin, pressuresAtOnce = 2 * time.Second, 16
	// refillPause is how long after the pressure a warm pool makes no desktop that gave one to it.
	refillPause = 10 * time.Minute
)

// relief has what waits and what dozes give way to nodes that are short of memory.
type relief struct {
	// strains are of the nodes that are looked at, pools the warm pools that gave one of them a
	// desktop, with its name; relieve alone has them.
	strains map[string]strain
	pools   map[poolOf]string
	// short has the nodes that are.
	short sync.Map
}

// poolOf is the warm pool of a template in a namespace.
type poolOf struct{ template, namespace string }

// relieveNodes looks at nodes until ctx ends.
func (r *Reconciler) relieveNodes(ctx context.Context) error {
	every := time.NewTicker(pressureLookedAt)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			r.relieve(ctx)
		}
	}
}

// relieve has one give way on each node that is due.
func (r *Reconciler) relieve(ctx context.Context) {
	log := ctrl.LoggerFrom(ctx)
	spares, err := r.spares(ctx)
	if err != nil {
		log.Error(err, "who could give way to memory pressure cannot be found")
		return
	}
	r.relief.strains = r.look(ctx, spares)
	now := r.Now()
	for node, is := range r.relief.strains {
		if !is.due(now) {
			continue
		}
		switch gave, err := r.relieveBy(ctx, node, spares[node], now); {
		case apierrors.IsConflict(err), apierrors.IsNotFound(err): // somebody came, or it goes by itself
		case err != nil:
			log.Error(err, "a node that is short of memory gets no room", "node", node)
		case gave:
			is.gave = now
			r.relief.strains[node] = is
		}
	}
	for of, node := range r.relief.pools {
		if !r.relief.strains[node].short {
			delete(r.relief.pools, of)
			continue
		}
		r.pause(of, node, now)
	}
}

// relieveBy has one give way to a node.
func (r *Reconciler) relieveBy(ctx context.Context, node string, spare spare, now time.Time) (bool, error) {
	pod, dozes := spare.next(now)
	switch {
	case pod != nil:
		of := poolOf{pod.Labels[v1alpha1.LabelTemplate], pod.Namespace}
		if r.relief.pools == nil {
			r.relief.pools = map[poolOf]string{}
		}
		r.relief.pools[of] = node
		r.pause(of, node, now) // before its pool sees that one is missing
		return true, r.endWaiting(ctx, pod, metrics.GaveWayToMemory)
	case dozes != nil:
		return true, r.endDozing(ctx, dozes, fmt.Sprintf("node %s, which is short of memory", node), metrics.GaveWayToMemory)
	}
	return false, nil
}

// pause has a warm pool make none for a while.
func (r *Reconciler) pause(of poolOf, node string, now time.Time) {
	r.Pool.Pause(of.template, of.namespace, now.Add(refillPause), fmt.Sprintf(
		"Node %s is short of memory, and a desktop that waited there gave way to it. Others are made %s after that.", node, refillPause))
}

// look looks at each node that could be spared something, and at those that are short.
func (r *Reconciler) look(ctx context.Context, spares map[string]spare) map[string]strain {
	was := map[string]strain{}
	for node := range spares {
		was[node] = r.relief.strains[node]
	}
	for node, strain := range r.relief.strains {
		if strain.short {
			was[node] = strain
		}
	}
	var asking errgroup.Group
	asking.SetLimit(pressuresAtOnce)
	var mu sync.Mutex
	strains := map[string]strain{}
	for node, before := range was {
		asking.Go(func() error {
			kubelet := r.nodes.needs(ctx, r.API, r.Now(), node).short
			is := before.seen(r.Now(), kubelet, r.pressure(ctx, node), r.Config.Doze.MemoryPressure)
			switch log := ctrl.LoggerFrom(ctx); {
			case is.short && !before.short:
				r.relief.short.Store(node, true)
				log.Info("a node is short of memory; what waits and dozes there gives way, one at a time", "node", node, "kubelet", kubelet)
			case before.short && !is.short:
				r.relief.short.Delete(node)
				log.Info("a node is short of memory no more", "node", node)
			}
			mu.Lock()
			defer mu.Unlock()
			strains[node] = is
			return nil
		})
	}
	_ = asking.Wait()
	return strains
}

// pressure is what the node's kernel tells; nil is not known.
func (r *Reconciler) pressure(ctx context.Context, node string) *nodeapi.Pressure {
	program, ready := r.Programs.On(node)
	if !ready || r.Config.Doze.MemoryPressure == 0 {
		return nil
	}
	order, err := r.Signer.SignOrder(token.Order{Action: token.ActionPressure, Node: node, Issued: r.Now()}, token.OrderLife)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, pressureWithin)
		defer cancel()
		var is nodeapi.Pressure
		if is, err = r.Orders.Pressure(ctx, program.Address, order); err == nil {
			return &is
		}
	}
	ctrl.LoggerFrom(ctx).V(1).Info("a node's memory pressure is not known", "node", node, "error", err.Error())
	return nil
}

// spares are what each node can do without, as far as it is this installation's.
func (r *Reconciler) spares(ctx context.Context) (map[string]spare, error) {
	found := map[string]spare{}
	waits := &corev1.PodList{}
	if err := r.Client.List(ctx, waits, client.MatchingLabels{v1alpha1.LabelSession: ""}); err != nil {
		return nil, fmt.Errorf("find what warm pools have: %w", err)
	}
	for i := range waits.Items {
		if pod := &waits.Items[i]; r.Pool != nil && scheduled(pod) && !pods.Ended(pod) && r.ours(ctx, pod.Namespace) {
			on := found[pod.Spec.NodeName]
			on.waits = append(on.waits, pod)
			found[pod.Spec.NodeName] = on
		}
	}
	dozing := &v1alpha1.VDISessionList{}
	if err := r.Client.List(ctx, dozing, client.MatchingFields{indexDoze: isDozing}); err != nil {
		return nil, fmt.Errorf("find who dozes: %w", err)
	}
	for i := range dozing.Items {
		if s := &dozing.Items[i]; r.ours(ctx, s.Namespace) {
			on := found[s.Status.Doze.Node]
			on.dozing = append(on.dozing, s)
			found[s.Status.Doze.Node] = on
		}
	}
	return found, nil
}

// ours says that no other installation serves a namespace, as far as that is known.
func (r *Reconciler) ours(ctx context.Context, namespace string) bool {
	if r.Claims == nil {
		return true
	}
	other, err := r.Claims.Other(ctx, namespace)
	return err == nil && other == ""
}
