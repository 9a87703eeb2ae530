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
	// RefillPause is how long after the pressure a warm pool makes no desktop that gave one to it.
	RefillPause = 10 * time.Minute
)

// relief has what waits and what dozes give way to nodes that are short of memory.
type relief struct {
	// given is how many desktops warm pools gave to nodes that are short; relieve alone has it.
	given map[gift]int
	// strains are of the nodes that are looked at. relieve alone puts others in their place, with mu held.
	strains map[string]strain
	mu      sync.Mutex
}

// short says that a node was short of memory at the last look.
func (r *relief) short(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.strains[node].short
}

// gift is of the warm pool of a template in a namespace to a node.
type gift struct{ template, namespace, node string }

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
	strains := r.look(ctx, spares)
	now := r.Now()
	for node, is := range strains {
		is = is.with(spares[node], now)
		if is.due(now) && r.relieveBy(ctx, node, spares[node].inOrder(now), now) {
			is.gave = now
		}
		strains[node] = is
	}
	r.relief.mu.Lock()
	r.relief.strains = strains
	r.relief.mu.Unlock()
	for of := range r.relief.given {
		if !strains[of.node].short {
			delete(r.relief.given, of)
			continue
		}
		r.pause(of, now)
	}
}

// relieveBy has the first of those give way to a node that can.
func (r *Reconciler) relieveBy(ctx context.Context, node string, order []candidate, now time.Time) bool {
	for _, c := range order {
		var err error
		if c.pod != nil {
			err = r.endPooled(ctx, node, c.pod, now)
		} else {
			err = r.endDozing(ctx, c.session, fmt.Sprintf("node %s, which is short of memory", node), metrics.GaveWayToMemory)
		}
		switch {
		case err == nil:
			return true
		case apierrors.IsConflict(err), apierrors.IsNotFound(err): // somebody came, or it goes by itself
			return false
		}
		ctrl.LoggerFrom(ctx).Error(err, "a desktop does not give way to a node that is short of memory", "node", node)
	}
	return false
}

// endPooled has a desktop of a warm pool give way to a node.
func (r *Reconciler) endPooled(ctx context.Context, node string, pod *corev1.Pod, now time.Time) error {
	of := gift{pod.Labels[v1alpha1.LabelTemplate], pod.Namespace, node}
	if r.relief.given == nil {
		r.relief.given = map[gift]int{}
	}
	r.relief.given[of]++
	r.pause(of, now) // before its pool sees that one is missing
	err := r.endWaiting(ctx, pod, metrics.GaveWayToMemory)
	if err != nil {
		r.relief.given[of]--
		r.pause(of, now)
	}
	return err
}

// pause has a warm pool not replace, for a while, what it gave.
func (r *Reconciler) pause(of gift, now time.Time) {
	r.Pool.Pause(of.template, of.namespace, of.node, r.relief.given[of], now.Add(RefillPause))
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
			tells, known := r.pressure(ctx, node)
			is := before.seen(r.Now(), kubelet, tells, r.Config.Doze.MemoryPressure)
			is.unknown = !known
			log := ctrl.LoggerFrom(ctx)
			if is.unknown && !before.unknown {
				log.Info("a node's program does not tell how short of memory the node is; kubelet's word alone counts", "node", node)
			}
			switch {
			case is.short && !before.short:
				log.Info("a node is short of memory; what waits and dozes there gives way, one at a time", "node", node, "kubelet", kubelet)
			case before.short && !is.short:
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

// pressure is what the node's kernel tells; known is false where its program was asked and did not.
func (r *Reconciler) pressure(ctx context.Context, node string) (tells *nodeapi.Pressure, known bool) {
	program, ready := r.Programs.On(node)
	if !ready || r.Config.Doze.MemoryPressure == 0 {
		return nil, true
	}
	order, err := r.Signer.SignOrder(token.Order{Action: token.ActionPressure, Node: node, Issued: r.Now()}, token.OrderLife)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, pressureWithin)
		defer cancel()
		var is nodeapi.Pressure
		if is, err = r.Orders.Pressure(ctx, program.Address, order); err == nil {
			return &is, true
		}
	}
	r.Metrics.PressureUnknown()
	ctrl.LoggerFrom(ctx).V(1).Info("a node's memory pressure is not known", "node", node, "error", err.Error())
	return nil, false
}

// spares are what each node can do without, as far as it is this installation's.
func (r *Reconciler) spares(ctx context.Context) (map[string]spare, error) {
	found := map[string]spare{}
	waits := &corev1.PodList{}
	if err := r.Client.List(ctx, waits, client.MatchingLabels{v1alpha1.LabelSession: ""}, client.UnsafeDisableDeepCopy); err != nil {
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
	if err := r.Client.List(ctx, dozing, client.MatchingFields{indexDoze: isDozing}, client.UnsafeDisableDeepCopy); err != nil {
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
