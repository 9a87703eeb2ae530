package session

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// nodesLookedAt is how often nodes are listed at most, while a start waits for one. They are
// not watched: their status is written every few minutes, and rarely matters here.
const nodesLookedAt = time.Minute

// nodesWithin bounds a list of them.
const nodesWithin = 5 * time.Second

// nodes knows the largest of a cluster's nodes, by resource, and what those of dozing desktops need.
type nodes struct {
	// asking has each list made once for all who wait for it, by the node's name; empty is of all.
	asking singleflight.Group
	// mu guards what follows, and is not held while nodes are listed.
	mu sync.Mutex
	// at is when they were listed last, most what they had: nil where they may not be read.
	at   time.Time
	most corev1.ResourceList
	// needing are the nodes of dozing desktops, as each was looked at last.
	needing map[string]nodeNeed
}

// nodeNeed is what a node needs of who dozes there.
type nodeNeed struct {
	// leaves says that the node takes no pods; short that it is short of memory.
	leaves, short bool
	// node has what the scheduler goes by, its name, labels and taints; nil where it is not known.
	node *corev1.Node
	at   time.Time
}

// takes says that the scheduler may place a pod on the node, as far as labels and taints say, or
// that this is not known.
func (n nodeNeed) takes(pod *corev1.Pod) bool {
	if n.node == nil || n.leaves {
		return !n.leaves
	}
	fits, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(n.node)
	keepsOff := func(t *corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }
	_, kept := corev1helpers.FindMatchingUntoleratedTaint(klog.Background(), n.node.Spec.Taints, pod.Spec.Tolerations, keepsOff, false)
	return err == nil && fits && !kept
}

// needs is what a node needs; nothing where that is not known.
func (n *nodes) needs(ctx context.Context, api client.Reader, now time.Time, name string) nodeNeed {
	if api == nil {
		return nodeNeed{}
	}
	n.mu.Lock()
	is, known := n.needing[name]
	n.mu.Unlock()
	if known && now.Sub(is.at) < nodeLookedAt {
		return is
	}
	asked, _, _ := n.asking.Do(name, func() (any, error) {
		is := needed(ctx, api, now, name)
		n.mu.Lock()
		defer n.mu.Unlock()
		maps.DeleteFunc(n.needing, func(_ string, is nodeNeed) bool { return now.Sub(is.at) > 2*nodeLookedAt }) // nobody dozes there any more
		if n.needing == nil {
			n.needing = map[string]nodeNeed{}
		}
		n.needing[name] = is
		return is, nil
	})
	return asked.(nodeNeed)
}

// needed is what a node needs, as the API server has it.
func needed(ctx context.Context, api client.Reader, now time.Time, name string) nodeNeed {
	ctx, cancel := context.WithTimeout(ctx, nodesWithin)
	defer cancel()
	is, list := nodeNeed{at: now}, &corev1.NodeList{}
	err := api.List(ctx, list, client.MatchingFields{"metadata.name": name},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}})
	if err != nil {
		ctrl.LoggerFrom(ctx).V(1).Info("a node cannot be read, so what dozes there does not give way to it", "node", name, "error", err.Error())
	}
	for i := range list.Items {
		node := &list.Items[i]
		if node.Name != name {
			continue
		}
		is.leaves = node.Spec.Unschedulable
		is.node = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: node.Labels}, Spec: corev1.NodeSpec{Taints: node.Spec.Taints}}
		for _, c := range node.Status.Conditions {
			is.short = is.short || c.Type == corev1.NodeMemoryPressure && c.Status == corev1.ConditionTrue
		}
	}
	return is
}

// largest is how much of a resource the largest node has for pods; 0 where no node has any. It
// is not known without the right to list nodes.
func (n *nodes) largest(ctx context.Context, api client.Reader, now time.Time, name corev1.ResourceName) (resource.Quantity, bool) {
	n.mu.Lock()
	most, known := n.most, !n.at.IsZero() && now.Sub(n.at) < nodesLookedAt
	n.mu.Unlock()
	if !known {
		asked, _, _ := n.asking.Do("", func() (any, error) {
			most := listed(ctx, api)
			n.mu.Lock()
			defer n.mu.Unlock()
			n.at, n.most = now, most
			return most, nil
		})
		most = asked.(corev1.ResourceList)
	}
	return most[name], most != nil
}

func listed(ctx context.Context, api client.Reader) corev1.ResourceList {
	ctx, cancel := context.WithTimeout(ctx, nodesWithin)
	defer cancel()
	list := &corev1.NodeList{}
	// The API server's memory is new enough, and spares etcd.
	if err := api.List(ctx, list, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}}); err != nil {
		ctrl.LoggerFrom(ctx).V(1).Info("nodes cannot be listed, so a desktop that is too large for all is not told apart", "error", err.Error())
		return nil
	}
	most := corev1.ResourceList{}
	for i := range list.Items {
		for name, has := range list.Items[i].Status.Allocatable {
			if known := most[name]; has.Cmp(known) > 0 {
				most[name] = has
			}
		}
	}
	return most
}
