// Package watched knows how the namespaces stand that an installation serves by name: in
// which it has rights, and which are being deleted.
//
// It promises that nobody who asks waits for the API server, and that a namespace without
// rights costs the others nothing. What follows for sessions is their controller's matter.
package watched

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

const (
	// lookEvery is how often each namespace is looked at. Kubernetes begins to take a deleted
	// namespace's content away, the operator's rights included, after 5 s (Kubernetes v1.35,
	// pkg/controller/namespace: namespaceDeletionGracePeriod): by then finalizers are to be gone.
	lookEvery = 2 * time.Second
	// answerWithin bounds one look.
	answerWithin = 5 * time.Second
)

// standing is how a namespace stands; what is not known is served.
type standing int

const (
	served standing = iota
	// ending: it is being deleted.
	ending
	// missing: it does not exist.
	missing
	// forbidden: nothing may be read in it.
	forbidden
)

// out is whether no cache may be asked of the namespace: it would never be full.
func (s standing) out() bool { return s == missing || s == forbidden }

// Conditions takes v1alpha1.ConditionNamespacesServed.
type Conditions interface {
	Set(conditionType string, status metav1.ConditionStatus, reason, message string)
}

// Namespaces are those whose sessions are an installation's.
type Namespaces struct {
	reader client.Reader
	names  []string
	// left are those that were left out at the start.
	left []string
	// begun has a place for each: nobody reads it in a replica that does not lead.
	begun chan event.TypedGenericEvent[string]

	mu sync.Mutex
	// now is guarded by mu.
	now map[string]standing
}

// Find looks at each of these namespaces, by a reader without a cache.
func Find(ctx context.Context, reader client.Reader, names []string) (*Namespaces, error) {
	n := &Namespaces{reader: reader, names: names, begun: make(chan event.TypedGenericEvent[string], len(names)), now: map[string]standing{}}
	if err := n.look(ctx); err != nil {
		return nil, err
	}
	n.left = n.which(standing.out)
	return n, nil
}

// Left are the namespaces that could not be served at the start.
func (n *Namespaces) Left() []string { return n.left }

// Served are the others.
func (n *Namespaces) Served() []string {
	return slices.DeleteFunc(slices.Clone(n.names), func(name string) bool { return slices.Contains(n.left, name) })
}

// Named is whether there are any; without, all of the cluster are served.
func (n *Namespaces) Named() bool { return len(n.names) > 0 }

// Nowhere is whether none of those that are named could be served at the start.
func (n *Namespaces) Nowhere() bool { return n.Named() && len(n.left) == len(n.names) }

// Ending is whether a namespace is being deleted.
func (n *Namespaces) Ending(name string) bool { return n.standing(name) == ending }

// Begun brings each namespace whose deletion has begun.
func (n *Namespaces) Begun() <-chan event.TypedGenericEvent[string] { return n.begun }

func (n *Namespaces) standing(name string) standing {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now[name]
}

func (n *Namespaces) which(is func(standing) bool) []string {
	return slices.DeleteFunc(slices.Clone(n.names), func(name string) bool { return !is(n.standing(name)) })
}

// Watch looks at the namespaces until ctx ends, or until the caches have to be made anew, of
// which it returns the cause: a namespace that was left out can be served, or one can no longer
// be served that caches wait for, as filling says.
func (n *Namespaces) Watch(ctx context.Context, conditions Conditions, filling func() bool) string {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		n.report(conditions)
		if why := n.outdated(filling()); why != "" {
			return why
		}
		select {
		case <-ctx.Done():
			return ""
		case <-tick.C:
		}
		if err := n.look(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "a namespace of sessions cannot be looked at", "retryAfter", lookEvery.String())
		}
	}
}

func (n *Namespaces) outdated(filling bool) string {
	for _, name := range n.names {
		switch left, out := slices.Contains(n.left, name), n.standing(name).out(); {
		case left && !out:
			return fmt.Sprintf("namespace %s can be served now", name)
		case filling && out && !left:
			return fmt.Sprintf("namespace %s can no longer be served", name)
		}
	}
	return ""
}

// look keeps what was known of a namespace of which nothing can be learned.
func (n *Namespaces) look(ctx context.Context) error {
	var failed error
	for _, name := range n.names {
		is, err := n.find(ctx, name)
		if err != nil {
			failed = fmt.Errorf("namespace %s: %w", name, err)
			continue
		}
		n.set(name, is)
	}
	return failed
}

func (n *Namespaces) set(name string, is standing) {
	n.mu.Lock()
	was := n.now[name]
	n.now[name] = is
	n.mu.Unlock()
	if is != ending || was == ending {
		return
	}
	select {
	case n.begun <- event.TypedGenericEvent[string]{Object: name}:
	default: // its sessions are found by whoever leads next
	}
}

// find needs one of two rights. The chart's Role has both; one of an administrator's own may
// have no word of namespaces, and then only serves.
func (n *Namespaces) find(ctx context.Context, name string) (standing, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	namespace := &corev1.Namespace{}
	err := n.reader.Get(ctx, client.ObjectKey{Name: name}, namespace, fromMemory)
	switch {
	case apierrors.IsForbidden(err):
		return n.listed(ctx, name)
	case apierrors.IsNotFound(err):
		return missing, nil
	case err == nil && !namespace.DeletionTimestamp.IsZero():
		return ending, nil
	}
	return served, err
}

func (n *Namespaces) listed(ctx context.Context, name string) (standing, error) {
	err := n.reader.List(ctx, &v1alpha1.VDISessionList{}, client.InNamespace(name), client.Limit(1))
	switch {
	case apierrors.IsForbidden(err):
		return forbidden, nil
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err): // the definition is missing, not the right
		return served, nil
	}
	return served, err
}

// fromMemory spares etcd: the API server answers with what it has, milliseconds old.
var fromMemory = &client.GetOptions{Raw: &metav1.GetOptions{ResourceVersion: "0"}}
