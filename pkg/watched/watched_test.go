package watched

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

var (
	errForbidden = apierrors.NewForbidden(schema.GroupResource{Resource: "any"}, "", errors.New("no"))
	errMissing   = apierrors.NewNotFound(schema.GroupResource{Resource: "any"}, "")
)

// rights are what the API server says of a namespace, and of the sessions in it.
type rights struct {
	get, list error
	ending    bool
}

type server map[string]rights

func (s server) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	if r := s[key.Name]; r.ending {
		o.(*corev1.Namespace).DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	}
	return s[key.Name].get
}

func (s server) List(_ context.Context, _ client.ObjectList, options ...client.ListOption) error {
	o := &client.ListOptions{}
	o.ApplyOptions(options)
	return s[o.Namespace].list
}

// said is the one condition.
type said metav1.Condition

func (s *said) Set(conditionType string, status metav1.ConditionStatus, reason, message string) {
	*s = said{Type: conditionType, Status: status, Reason: reason, Message: message}
}

func TestANamespaceIsLeftOutWhereItsCacheWouldNeverBeFull(t *testing.T) {
	for name, c := range map[string]struct {
		rights
		left, ending bool
		says         string
	}{
		"with all rights":                          {},
		"with rights of an administrator's own":    {rights: rights{get: errForbidden}},
		"before the definition of sessions":        {rights: rights{get: errForbidden, list: errMissing}},
		"being deleted":                            {rights: rights{ending: true}, ending: true, says: "b (being deleted, and its sessions with it"},
		"without the Role":                         {rights: rights{get: errForbidden, list: errForbidden}, left: true, says: "b (the operator has no rights there"},
		"gone, with rights from outside of itself": {rights: rights{get: errMissing}, left: true, says: "b (does not exist: create it"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Find(t.Context(), server{"b": c.rights}, []string{"a", "b"})
			require.NoError(t, err)
			assert.Equal(t, c.left, !assert.ObjectsAreEqual([]string{"a", "b"}, n.Served()), "left %v", n.Left())
			assert.Equal(t, c.ending, n.Ending("b"))
			assert.False(t, n.Nowhere())
			told := &said{}
			n.report(told)
			assert.Equal(t, v1alpha1.ConditionNamespacesServed, told.Type)
			assert.Equal(t, c.says == "", told.Status == metav1.ConditionTrue, told.Message)
			assert.Contains(t, told.Message, c.says)
			assert.NotContains(t, told.Message, "a (")
		})
	}
	_, err := Find(t.Context(), server{"a": {get: errors.New("it is away")}}, []string{"a"})
	assert.ErrorContains(t, err, "namespace a: it is away")
}

func TestNowhereIsNotEverywhere(t *testing.T) {
	none, err := Find(t.Context(), server{}, nil)
	require.NoError(t, err)
	assert.False(t, none.Named() || none.Nowhere(), "all of the cluster are served")
	n, err := Find(t.Context(), server{"a": {get: errMissing}}, []string{"a"})
	require.NoError(t, err)
	assert.True(t, n.Nowhere())
}

func TestADeletionIsBroughtOnceAndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := server{"a": {}}
		n, err := Find(t.Context(), api, []string{"a"})
		require.NoError(t, err)
		api["a"] = rights{ending: true}
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan string)
		go func() { done <- n.Watch(ctx, &said{}, func() bool { return false }) }()
		assert.Equal(t, "a", (<-n.Begun()).Object)
		assert.Less(t, time.Since(began), 5*time.Second, "Kubernetes has taken the rights away by then")
		time.Sleep(10 * lookEvery)
		assert.Empty(t, n.Begun())
		cancel()
		assert.Empty(t, <-done)
	})
}

func TestCachesAreMadeAnewOnlyWhereTheyHaveTo(t *testing.T) {
	lacks := rights{get: errForbidden, list: errForbidden}
	for name, c := range map[string]struct {
		first, then rights
		filling     bool
		want        string
	}{
		"left out, and served":                {first: lacks, want: "namespace a can be served now"},
		"left out, and deleted with rights":   {first: lacks, then: rights{ending: true}, want: "namespace a can be served now"},
		"lost while the caches fill":          {then: lacks, filling: true, want: "namespace a can no longer be served"},
		"lost later":                          {then: lacks},
		"still left out":                      {first: lacks, then: lacks, filling: true},
		"nothing can be learned in a failure": {first: lacks, then: rights{get: errors.New("away")}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := server{"a": c.first}
				n, err := Find(t.Context(), api, []string{"a"})
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), 3*lookEvery)
				defer cancel()
				api["a"] = c.then
				assert.Equal(t, c.want, n.Watch(ctx, &said{}, func() bool { return c.filling }))
			})
		})
	}
}
