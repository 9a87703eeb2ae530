package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

func node(cordoned bool) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}, Spec: corev1.NodeSpec{Unschedulable: cordoned}}
}

func podOn(node string, s *v1alpha1.VDISession) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name + "-1", Labels: map[string]string{v1alpha1.LabelSession: s.Name}},
		Spec: corev1.PodSpec{NodeName: node}}
}

func awake(name string, since time.Duration) *v1alpha1.VDISession {
	s := session("desktops", name)
	s.Status.StartTime = &metav1.MicroTime{Time: time.Now().Add(-since)}
	s.Status.Lifecycle = &v1alpha1.Lifecycle{MaxDuration: v1alpha1.NewDuration(24 * time.Hour)}
	return s
}

// drained runs the command in a cluster where patched does what becomes of a session that
// was written.
func drained(ctx context.Context, t *testing.T, patched func(client.WithWatch, *v1alpha1.VDISession), objects ...client.Object) (client.Client, error) {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			err := c.Patch(ctx, o, patch, opts...)
			patched(c, o.(*v1alpha1.VDISession))
			return err
		},
	}).Build()
	cmd := newCommandFor(&plugin{IOStreams: genericiooptions.NewTestIOStreamsDiscard(), client: func() (client.Client, string, error) { return c, "default", nil }})
	cmd.SetArgs([]string{"drain", "node-1"})
	return c, cmd.ExecuteContext(ctx)
}

func TestWhoIsOnADrainedNodeIsWarnedAndKeepsTheirTimeout(t *testing.T) {
	ada, bob := awake("ada", 3*time.Hour), awake("bob", time.Hour)
	ada.Spec.Timeout = v1alpha1.NewDuration(8 * time.Hour)
	var ends []time.Duration
	c, err := drained(t.Context(), t, func(c client.WithWatch, s *v1alpha1.VDISession) {
		require.Equal(t, "ada", s.Name)
		policy := lifecycle.Resolve(v1alpha1.Lifecycle{}, nil, &s.Spec)
		for _, due := range lifecycle.SessionClocks(time.Now(), policy, s) {
			assert.True(t, due.Warns, due.Name)
			ends = append(ends, time.Until(due.At))
		}
		require.NoError(t, client.IgnoreNotFound(c.Delete(t.Context(), podOn("node-1", s)))) // it sleeps
	}, node(true), ada, bob, podOn("node-1", ada), podOn("node-2", bob))
	require.NoError(t, err)
	require.NotEmpty(t, ends)
	assert.InDelta(t, defaultWithin.Seconds(), ends[0].Seconds(), 5)
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(ada), ada))
	assert.Equal(t, 8*time.Hour, ada.Spec.Timeout.OrZero())
}

func TestAnInterruptedDrainGivesTimeoutsBack(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	ada := awake("ada", time.Hour)
	c, err := drained(ctx, t, func(client.WithWatch, *v1alpha1.VDISession) { interrupt() }, node(true), ada, podOn("node-1", ada))
	require.ErrorContains(t, err, "still on node node-1: [desktops/ada]")
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(ada), ada))
	assert.Nil(t, ada.Spec.Timeout)
}

func TestATimeoutThatSomebodySetsMeanwhileStays(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	ada := awake("ada", time.Hour)
	c, err := drained(ctx, t, func(c client.WithWatch, s *v1alpha1.VDISession) {
		interrupt()
		s = s.DeepCopy()
		s.Spec.Timeout = v1alpha1.NewDuration(2 * time.Hour)
		require.NoError(t, c.Update(t.Context(), s))
	}, node(true), ada, podOn("node-1", ada))
	require.Error(t, err)
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(ada), ada))
	assert.Equal(t, 2*time.Hour, ada.Spec.Timeout.OrZero())
}

func TestADesktopThatEndsBeforeIsLeftAlone(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	ada := awake("ada", 23*time.Hour+50*time.Minute)
	_, err := drained(ctx, t, func(client.WithWatch, *v1alpha1.VDISession) { t.Error("it was written") }, node(true), ada, podOn("node-1", ada))
	require.ErrorContains(t, err, "still on node node-1")
}

func TestWhyANodeIsNotDrained(t *testing.T) {
	always := awake("ada", time.Hour)
	always.Spec.Power = v1alpha1.PowerAlwaysOn
	for says, c := range map[string]struct {
		args    []string
		objects []client.Object
	}{
		"run kubectl cordon node-1 first":                 {[]string{"node-1"}, []client.Object{node(false)}},
		"node node-1:":                                    {[]string{"node-1"}, nil},
		"session desktops/ada has spec.power AlwaysOn":    {[]string{"node-1"}, []client.Object{node(true), always, podOn("node-1", always)}},
		"--within 1s: must be 10s or longer, such as 15m": {[]string{"node-1", "--within", "1s"}, nil},
		"name one node, not 0":                            {nil, nil},
	} {
		_, _, err := run(t, append([]string{"drain"}, c.args...), c.objects...)
		assert.ErrorContains(t, err, says)
	}
}
