package chaos

import (
	"context"
	"fmt"
	"hash/fnv"
	"net"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/pods"
)

// nodeNames are the cluster's.
var nodeNames = []string{"one", "two"}

const (
	// kubeletTick is how often scheduler and kubelet look at their pods.
	kubeletTick = 50 * time.Millisecond
	// startMost and endMost are how long a pod takes to start and to end, at most.
	startMost, endMost = 300 * time.Millisecond, 500 * time.Millisecond
	// desktopIP is where every desktop is.
	desktopIP = "127.0.0.1"
)

// nodes plays scheduler and kubelets: pods get a node, become ready at the address of one web
// server, and end some time after they are asked to, where their node is not lost.
type nodes struct {
	api    client.Client
	ledger *Ledger
	port   int32

	mu sync.Mutex
	// lost are nodes that nobody hears of, crashed pods whose desktop is away until then.
	lost    map[string]bool
	crashed map[types.UID]time.Time
	// since is when a pod was first seen to need what comes next.
	since map[string]time.Time
}

// newNodes serves desktops until ctx ends.
func newNodes(ctx context.Context, api client.Client, l *Ledger) (*nodes, error) {
	listener, err := net.Listen("tcp", desktopIP+":0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return &nodes{api: api, ledger: l, port: int32(listener.Addr().(*net.TCPAddr).Port), lost: map[string]bool{}, crashed: map[types.UID]time.Time{},
		since: map[string]time.Time{}}, nil
}

// run plays until ctx ends.
func (n *nodes) run(ctx context.Context) {
	tick := time.NewTicker(kubeletTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, p := range n.ledger.Pods() {
			_ = n.next(ctx, p) // what fails is tried again with the next tick
		}
	}
}

// next does with a pod what is its turn.
func (n *nodes) next(ctx context.Context, p *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	switch {
	case n.isLost(p.Spec.NodeName):
		return nil
	case p.DeletionTimestamp != nil:
		if !n.waited(p, "end", endMost) {
			return nil
		}
		return n.api.Delete(ctx, p, client.GracePeriodSeconds(0), client.Preconditions{UID: &p.UID})
	case p.Spec.NodeName == "":
		return n.bind(ctx, p)
	case p.Status.Phase == corev1.PodPending && n.waited(p, "start", startMost):
		return n.status(ctx, p, true)
	case p.Status.Phase == corev1.PodRunning && n.isCrashed(p) == pods.Ready(p):
		return n.status(ctx, p, !pods.Ready(p))
	}
	return nil
}

// waited says that a pod has waited for so long as it has to, which its UID says.
func (n *nodes) waited(p *corev1.Pod, what string, most time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := string(p.UID) + what
	if n.since[key].IsZero() {
		n.since[key] = time.Now()
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return time.Since(n.since[key]) >= time.Duration(h.Sum32())%most
}

// bind is the scheduler's.
func (n *nodes) bind(ctx context.Context, p *corev1.Pod) error {
	for i := range nodeNames {
		name := nodeNames[(i+int(p.UID[0]))%len(nodeNames)]
		if n.isLost(name) {
			continue
		}
		return n.api.SubResource("binding").Create(ctx, p.DeepCopy(), &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name},
			Target: corev1.ObjectReference{Kind: "Node", Name: name}})
	}
	return nil
}

// status is kubelet's word of a pod that runs.
func (n *nodes) status(ctx context.Context, p *corev1.Pod, ready bool) error {
	now, is := metav1.Now(), corev1.ConditionFalse
	if ready {
		is = corev1.ConditionTrue
	}
	next := p.DeepCopy()
	next.Status.Phase, next.Status.PodIP, next.Status.PodIPs = corev1.PodRunning, desktopIP, []corev1.PodIP{{IP: desktopIP}}
	next.Status.Conditions = nil
	for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		status := is
		if kind == corev1.PodScheduled || kind == corev1.PodInitialized {
			status = corev1.ConditionTrue
		}
		next.Status.Conditions = append(next.Status.Conditions, corev1.PodCondition{Type: kind, Status: status, LastTransitionTime: now})
	}
	restarts := int32(0)
	if len(p.Status.ContainerStatuses) > 0 && ready {
		restarts = p.Status.ContainerStatuses[0].RestartCount + 1
	}
	next.Status.ContainerStatuses = nil
	for _, c := range p.Spec.Containers {
		next.Status.ContainerStatuses = append(next.Status.ContainerStatuses, containerStatus(c, ready, restarts, now))
	}
	return n.api.Status().Update(ctx, next)
}

func containerStatus(c corev1.Container, ready bool, restarts int32, now metav1.Time) corev1.ContainerStatus {
	s := corev1.ContainerStatus{Name: c.Name, Image: c.Image, Ready: ready, Started: &ready, RestartCount: restarts}
	if s.State.Running = (&corev1.ContainerStateRunning{StartedAt: now}); !ready {
		s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off restarting failed container"}}
	}
	return s
}

func (n *nodes) isLost(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost[name]
}

func (n *nodes) lose(name string, lost bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost[name] = lost
}

func (n *nodes) isCrashed(p *corev1.Pod) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Now().Before(n.crashed[p.UID])
}

func (n *nodes) crash(pod types.UID, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.crashed[pod] = time.Now().Add(d)
}

// loses takes a node away, as Kubernetes' node controllers tell of it: its pods are not ready
// any more, and are to go.
func (n *nodes) loses(ctx context.Context, name string) error {
	n.lose(name, true)
	for _, p := range n.ledger.Pods() {
		if p.Spec.NodeName != name {
			continue
		}
		n.ledger.Killed(p.UID)
		next := p.DeepCopy()
		for i := range next.Status.Conditions {
			if next.Status.Conditions[i].Type == corev1.PodReady {
				next.Status.Conditions[i].Status, next.Status.Conditions[i].Reason = corev1.ConditionFalse, "NodeStatusUnknown"
			}
		}
		if err := client.IgnoreNotFound(n.api.Status().Update(ctx, next)); err != nil {
			return fmt.Errorf("pod %s: %w", p.Name, err)
		}
		if err := client.IgnoreNotFound(n.api.Delete(ctx, p)); err != nil {
			return err
		}
	}
	return nil
}
