// Package claims keeps two installations from serving one namespace: the first one that finds
// sessions there holds a Lease in it, and others leave its sessions alone.
//
// It promises that a namespace has one holder, that the API server is asked once a minute for
// each namespace at most, and that a holder without rights to Leases serves as ever. A claim
// has no end of its own: an operator that is away is no reason to take its desktops over.
package claims

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/watched"
)

const (
	// Name is the Lease's in each namespace with sessions.
	Name = "vdi-desktops"
	// LookAgain is how long what is known of a namespace is believed. Who waits for another
	// installation to go looks as often.
	LookAgain = time.Minute
	// answerWithin bounds one question.
	answerWithin = 5 * time.Second
)

// Conditions takes v1alpha1.ConditionNamespacesOwned.
type Conditions interface {
	Set(conditionType string, status metav1.ConditionStatus, reason, message string)
}

// Claims are one installation's.
type Claims struct {
	// API reads without a cache, Client writes.
	API    client.Reader
	Client client.Writer
	// Installation is who claims: config.Installation's String.
	Installation string
	Conditions   Conditions
	// Now is the clock.
	Now func() time.Time

	mu sync.Mutex
	// known is guarded by mu.
	known map[string]known
}

// known is what was found of a namespace.
type known struct {
	holder string
	at     time.Time
	// denied says that the right to Leases is missing there.
	denied bool
}

// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,verbs=create
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,resourceNames=vdi-desktops,verbs=get;delete

// Holder is the installation that serves a namespace; empty where none has claimed it.
func Holder(ctx context.Context, c client.Reader, namespace string) (string, error) {
	lease := &coordinationv1.Lease{}
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: Name}, lease)
	return ptr.Deref(lease.Spec.HolderIdentity, ""), client.IgnoreNotFound(err)
}

// Other is another installation that serves the namespace; empty where this one does, which
// claims it where nobody has.
func (c *Claims) Other(ctx context.Context, namespace string) (string, error) {
	now := c.Now()
	c.mu.Lock()
	k, is := c.known[namespace]
	c.mu.Unlock()
	if !is || now.Sub(k.at) >= LookAgain {
		var err error
		if k, err = c.claim(ctx, namespace); err != nil {
			return "", fmt.Errorf("claim namespace %s: %w", namespace, err)
		}
		k.at = now
		c.set(namespace, &k)
	}
	if k.holder == c.Installation {
		return "", nil
	}
	return k.holder, nil
}

func (c *Claims) claim(ctx context.Context, namespace string) (known, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	holder, err := Holder(ctx, c.API, namespace)
	if err == nil && holder == "" {
		holder, err = c.take(ctx, namespace)
	}
	switch {
	case watched.EndingError(err):
		return known{holder: c.Installation}, nil
	case apierrors.IsForbidden(err):
		return known{holder: c.Installation, denied: true}, nil
	}
	return known{holder: holder}, err
}

func (c *Claims) take(ctx context.Context, namespace string) (string, error) {
	err := c.Client.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: Name, Labels: map[string]string{"app.kubernetes.io/part-of": "vdi-operator"}},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &c.Installation, AcquireTime: &metav1.MicroTime{Time: c.Now()}},
	})
	if apierrors.IsAlreadyExists(err) { // another one was faster
		holder, err := Holder(ctx, c.API, namespace)
		if err == nil && holder == "" {
			err = errors.New("the Lease " + Name + " names no holder: delete it")
		}
		return holder, err
	}
	return c.Installation, err
}

// Release gives a namespace without sessions free. What a session that comes meanwhile finds is
// forgotten as well: it would be believed after another installation has the namespace.
func (c *Claims) Release(ctx context.Context, namespace string) error {
	defer c.set(namespace, nil)
	return Release(ctx, c.API, c.Client, c.Installation, namespace)
}

// Release deletes the claim of this installation, and no other's. It does nothing where the
// rights to do so are missing: then there is none.
func Release(ctx context.Context, api client.Reader, c client.Writer, installation, namespace string) error {
	lease := &coordinationv1.Lease{}
	err := api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: Name}, lease)
	if err == nil && ptr.Deref(lease.Spec.HolderIdentity, "") == installation {
		err = c.Delete(ctx, lease, client.Preconditions{UID: &lease.UID})
	}
	if apierrors.IsForbidden(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}

func (c *Claims) set(namespace string, k *known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case k == nil:
		delete(c.known, namespace)
	case c.known == nil:
		c.known = map[string]known{namespace: *k}
	default:
		c.known[namespace] = *k
	}
	c.report()
}
