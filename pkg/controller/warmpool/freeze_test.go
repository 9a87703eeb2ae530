package warmpool

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/nodeapi"
	"github.com/org/vdi-operator/pkg/nodeapi/nodeapitest"
	"github.com/org/vdi-operator/pkg/nodeprograms"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/token/tokentest"
	"github.com/org/vdi-operator/pkg/workload"
)

// night is a pool of one desktop that is ready on a node with a program, and a session of its template.
type night struct {
	*Reconciler
	t        *testing.T
	known    *nodeprograms.Programs
	program  *nodeapitest.Program
	template *v1alpha1.VDITemplate
	session  *v1alpha1.VDISession
	pod      *corev1.Pod
}

func newNight(t *testing.T) *night {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	require.NoError(t, v1alpha1.AddToScheme(scheme))
	cfg := config.Default()
	cfg.Knative.Enabled = false
	n := &night{t: t, known: nodeprograms.New(),
		template: &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "egl", UID: "t-1"}, Spec: v1alpha1.VDITemplateSpec{Image: "desktop:1",
			Persistence: v1alpha1.TemplatePersistence{Enabled: new(false)}, Resources: v1alpha1.TemplateResources{DefaultGPU: new(int32(0))},
			WarmPool: &v1alpha1.WarmPool{Replicas: 1, Namespaces: []string{"team"}}}},
		session: &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "ada", UID: "s-1"},
			Spec: v1alpha1.VDISessionSpec{User: "ada@example.com", Template: "egl"}}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(n.template, n.session).WithStatusSubresource(&corev1.Pod{}).
		WithInterceptorFuncs(interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			o.SetUID(types.UID(o.GetName())) // the API server gives each its own
			return c.Create(ctx, o, opts...)
		}}).Build()
	n.Reconciler = &Reconciler{Client: c, API: c, Config: cfg, Workload: workload.New(cfg, c, c), Signer: tokentest.Signer(t),
		Metrics: metrics.NewOperator(prometheus.NewRegistry()), Programs: n.known, Orders: nodeapi.NewClient(), Now: time.Now}
	n.program = nodeapitest.Start(t, n.Signer.Verifier(), "a")
	n.known.OnAdd(n.program.Pod(), true)
	n.reconciles()
	n.pod = n.waiting()[0]
	n.runs(n.pod)
	n.reconciles()
	return n
}

// runs has a pod be ready on the node, for a minute.
func (n *night) runs(pod *corev1.Pod) {
	n.t.Helper()
	pod.Spec.NodeName = "a"
	require.NoError(n.t, n.Client.Update(n.t.Context(), pod))
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue,
		LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Minute))}}
	require.NoError(n.t, n.Client.Status().Update(n.t.Context(), pod))
}

func (n *night) reconciles() {
	n.t.Helper()
	_, err := n.Reconcile(n.t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(n.template)})
	require.NoError(n.t, err)
}

func (n *night) waiting() (all []*corev1.Pod) {
	n.t.Helper()
	list := &corev1.PodList{}
	require.NoError(n.t, n.Client.List(n.t.Context(), list, client.MatchingLabels{v1alpha1.LabelSession: ""}))
	for i := range list.Items {
		all = append(all, &list.Items[i])
	}
	return all
}

// takes is what the session gets.
func (n *night) takes() *corev1.Pod {
	n.t.Helper()
	shape, err := workload.Build(n.Config, n.template, n.session, 0)
	require.NoError(n.t, err)
	pod, err := n.Take(n.t.Context(), n.session, n.template, shape)
	require.NoError(n.t, err)
	return pod
}

func TestADesktopThatWaitsIsFrozenUntilASessionHasIt(t *testing.T) {
	n := newNight(t)
	require.True(t, n.program.Frozen(n.pod.UID))
	assert.Equal(t, &v1alpha1.TemplateWarmPool{Desired: 1, Ready: 1, Dozing: 1, Reason: v1alpha1.ReasonReady}, n.Report("egl"))
	stale := n.pod.DeepCopy()
	claimed := n.takes()
	require.NotNil(t, claimed)
	assert.Equal(t, n.pod.Name, claimed.Name)
	assert.False(t, n.program.Frozen(n.pod.UID))
	n.freeze(t.Context(), n.template, []*corev1.Pod{stale}) // by a cache that does not know of the claim
	assert.Equal(t, "freeze thaw", n.program.Obeyed())
	assert.Nil(t, n.takes(), "a second one")
}

func TestAProgramThatStartedAnewFreezesWhatWaitsAgain(t *testing.T) {
	n := newNight(t)
	n.program.Restart()
	n.known.OnAdd(n.program.Pod(), false)
	n.reconciles()
	assert.True(t, n.program.Frozen(n.pod.UID))
}

func TestADesktopThatCannotBeThawedIsNobodysAndIsReplaced(t *testing.T) {
	for name, breaks := range map[string]func(*night){
		"the program cannot": func(n *night) {
			n.program.Before(func(w http.ResponseWriter, o token.Order) bool {
				if o.Action == token.ActionThaw {
					http.Error(w, "it does not run", http.StatusServiceUnavailable)
				}
				return o.Action == token.ActionThaw
			})
		},
		"the program is gone": func(n *night) { n.known.OnDelete(n.program.Pod()) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNight(t)
			breaks(n)
			require.Nil(t, n.takes(), "the session starts from zero")
			assert.Empty(t, n.waiting())
			n.reconciles()
			require.Len(t, n.waiting(), 1)
			assert.NotEqual(t, n.pod.Name, n.waiting()[0].Name)
		})
	}
}

// What an operator before told the node's program is not known.
func TestADesktopThatAnotherOperatorMayHaveFrozenIsThawedOrNobodys(t *testing.T) {
	restarts := func(n *night) {
		p := n.program.Pod()
		p.Status.Conditions[0].Status = corev1.ConditionFalse
		n.known.OnUpdate(nil, p)
	}
	refuses := func(status int) func(*night) {
		return func(n *night) {
			n.program.Before(func(w http.ResponseWriter, _ token.Order) bool {
				w.WriteHeader(status)
				return true
			})
		}
	}
	for name, test := range map[string]struct {
		was   func(*night)
		given bool
	}{
		"the program obeys":                    {func(*night) {}, true},
		"it is not ready":                      {restarts, false},
		"it refuses":                           {refuses(http.StatusForbidden), false},
		"it does not find the pod on the node": {refuses(http.StatusNotFound), true},
		"the node has none":                    {func(n *night) { n.known.OnDelete(n.program.Pod()) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNight(t)
			n.Reconciler = &Reconciler{Client: n.Client, API: n.API, Config: n.Config, Workload: n.Workload, Signer: n.Signer, Metrics: n.Metrics,
				Programs: n.Programs, Orders: n.Orders, Now: n.Now}
			test.was(n)
			assert.Equal(t, test.given, n.takes() != nil)
		})
	}
}

func TestADesktopThatIsYoungerThanTheOperatorRunsWhereNoOrderIsObeyed(t *testing.T) {
	n := newNight(t)
	n.Reconciler = &Reconciler{Client: n.Client, API: n.API, Config: n.Config, Workload: n.Workload, Signer: n.Signer, Metrics: n.Metrics,
		Programs: n.Programs, Orders: n.Orders, Now: n.Now}
	n.program.Node = "another"
	n.reconciles()
	n.pod = n.waiting()[0]
	n.pod.CreationTimestamp = metav1.NewTime(time.Now().Add(time.Minute))
	require.NoError(t, n.Client.Update(t.Context(), n.pod))
	assert.NotNil(t, n.takes())
}

// A visitor waits for each order that nobody answers.
func TestANodeThatDoesNotAnswerIsAskedOnceForAVisitor(t *testing.T) {
	n := newNight(t)
	n.template.Spec.WarmPool.Replicas = 2
	require.NoError(t, n.Client.Update(t.Context(), n.template))
	n.reconciles()
	for _, pod := range n.waiting() {
		n.runs(pod)
	}
	n.reconciles()
	asked := 0
	n.program.Before(func(w http.ResponseWriter, _ token.Order) bool {
		asked++
		w.WriteHeader(http.StatusBadGateway)
		return true
	})
	require.Nil(t, n.takes(), "the session starts from zero")
	assert.Equal(t, 1, asked)
	assert.Len(t, n.waiting(), 1)
}

func TestAPoolMakesNoneForAWhileAfterOneGaveWayToItsNode(t *testing.T) {
	n := newNight(t)
	n.Pause("egl", "team", "a", 1, time.Now().Add(time.Minute))
	n.Pause("egl", "team", "b", 3, time.Now().Add(time.Hour))
	n.Pause("egl", "team", "b", 0, time.Now().Add(time.Hour))
	n.Pause("other", "team", "a", 1, time.Now().Add(time.Hour))
	require.NoError(t, n.Client.Delete(t.Context(), n.pod))
	n.reconciles()
	require.Empty(t, n.waiting())
	assert.Equal(t, &v1alpha1.TemplateWarmPool{Desired: 1, Reason: v1alpha1.ReasonNodeNeedsRoom,
		Message: "Short of memory: node a. Desktops that waited there gave way (1); others are made 10 minutes after that."}, n.Report("egl"))
	n.Now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	n.reconciles()
	assert.Len(t, n.waiting(), 1)
}
