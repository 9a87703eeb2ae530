// Package nodeprograms finds the program on a node that freezes and thaws desktops there: the
// pod of the installation's DaemonSet that is ready on it.
//
// It promises to bring each node whose program has come, gone or started anew. It asks no
// program for anything: see package nodeapi.
package nodeprograms

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/pods"
)

// Program is one that is ready.
type Program struct {
	// Address is where it listens.
	Address netip.AddrPort
	// Instance is another one after each start of the program: what an earlier one froze may run.
	Instance string
}

// Programs are an installation's, by the node that each is on.
type Programs struct {
	changed chan event.TypedGenericEvent[string]

	mu sync.Mutex
	// pods are those that are known, ready or not.
	pods map[types.UID]*corev1.Pod
	// ready are the programs by node.
	ready map[string]Program
	// pending are the nodes that changed has no room for.
	pending map[string]bool
}

// New knows none.
func New() *Programs {
	return &Programs{changed: make(chan event.TypedGenericEvent[string], 1), pods: map[types.UID]*corev1.Pod{}, ready: map[string]Program{},
		pending: map[string]bool{}}
}

// On is the program that is ready on a node.
func (p *Programs) On(node string) (Program, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	is, ok := p.ready[node]
	return is, ok
}

// Has says that a node has a program, ready or not.
func (p *Programs) Has(node string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pod := range p.pods {
		if pod.Spec.NodeName == node {
			return true
		}
	}
	return false
}

// Changed brings something when nodes have other programs than before; Nodes says which.
func (p *Programs) Changed() <-chan event.TypedGenericEvent[string] { return p.changed }

// Nodes are those whose program has changed since they were asked for last.
func (p *Programs) Nodes() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	nodes := p.pending
	p.pending = map[string]bool{}
	return nodes
}

var _ toolscache.ResourceEventHandler = (*Programs)(nil)

// OnAdd implements toolscache.ResourceEventHandler.
func (p *Programs) OnAdd(o any, _ bool) { p.OnUpdate(nil, o) }

// OnUpdate implements toolscache.ResourceEventHandler.
func (p *Programs) OnUpdate(_, o any) {
	if pod, ok := o.(*corev1.Pod); ok {
		p.set(pod.UID, pod)
	}
}

// OnDelete implements toolscache.ResourceEventHandler.
func (p *Programs) OnDelete(o any) {
	if tomb, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = tomb.Obj
	}
	if pod, ok := o.(*corev1.Pod); ok {
		p.set(pod.UID, nil)
	}
}

// set records a pod as it is; nil is gone.
func (p *Programs) set(uid types.UID, pod *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pod == nil {
		delete(p.pods, uid)
	} else {
		p.pods[uid] = pod
	}
	now := map[string]Program{}
	// Of two on a node, as an upgrade with maxSurge has them for a while, always the younger one.
	oldestFirst := slices.SortedFunc(maps.Values(p.pods), func(a, b *corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
	for _, each := range oldestFirst {
		if is, ok := program(each); ok {
			now[each.Spec.NodeName] = is
		}
	}
	before := p.ready
	p.ready = now
	for _, side := range []map[string]Program{before, now} {
		for node := range side {
			if before[node] != now[node] {
				p.pending[node] = true
			}
		}
	}
	if len(p.pending) == 0 {
		return
	}
	select { // its reader takes all nodes at once
	case p.changed <- event.TypedGenericEvent[string]{}:
	default:
	}
}

// program is the one of a pod, where that is ready and does not end.
func program(pod *corev1.Pod) (Program, bool) {
	address, err := netip.ParseAddr(pod.Status.PodIP)
	if err != nil || pod.Spec.NodeName == "" || pod.DeletionTimestamp != nil || !pods.Ready(pod) {
		return Program{}, false
	}
	starts := int32(0)
	for i := range pod.Status.ContainerStatuses {
		starts += pod.Status.ContainerStatuses[i].RestartCount
	}
	return Program{Address: netip.AddrPortFrom(address, nodeapi.Port), Instance: fmt.Sprintf("%s/%d", pod.UID, starts)}, true
}
