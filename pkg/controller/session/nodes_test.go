package session

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// slowNodes lists cordoned nodes, each when it is let; empty is of all.
type slowNodes struct {
	client.Reader
	let map[string]chan struct{}

	mu     sync.Mutex
	listed []string
}

func (s *slowNodes) List(_ context.Context, into client.ObjectList, opts ...client.ListOption) error {
	o := client.ListOptions{FieldSelector: fields.Everything()}
	o.ApplyOptions(opts)
	name, _ := o.FieldSelector.RequiresExactMatch("metadata.name")
	s.mu.Lock()
	s.listed = append(s.listed, name)
	s.mu.Unlock()
	<-s.let[name]
	into.(*corev1.NodeList).Items = []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{Unschedulable: true}}}
	return nil
}

func TestWhileOneNodeIsReadAnotherIsKnown(t *testing.T) {
	api := &slowNodes{let: map[string]chan struct{}{"": make(chan struct{}), "slow": make(chan struct{}), "quick": make(chan struct{})}}
	close(api.let["quick"])
	var n nodes
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() { assert.True(t, n.needs(t.Context(), api, noon, "slow").leaves) })
		waiting.Go(func() { n.largest(t.Context(), api, noon, "nvidia.com/gpu") })
	}
	require.Eventually(t, func() bool {
		api.mu.Lock()
		defer api.mu.Unlock()
		return len(api.listed) == 2
	}, 10*time.Second, time.Millisecond, "one list for all that wait for it")
	assert.True(t, n.needs(t.Context(), api, noon, "quick").leaves)
	close(api.let["slow"])
	close(api.let[""])
	waiting.Wait()
	assert.True(t, n.needs(t.Context(), api, noon.Add(time.Second), "slow").leaves)
	assert.Len(t, api.listed, 3, "what is known is not asked for again")
}
