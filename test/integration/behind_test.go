//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token/tokentest"
	"github.com/org/vdi-operator/pkg/workload"
)

// lag is a cache that has not heard of writes yet: what reads returns of a kind.
type lag struct {
	get func(client.ObjectKey, client.Object) (handled bool, err error)
	// pods are those that it knows; nil are all.
	pods *corev1.PodList
}

func (l *lag) client() client.Client {
	return interceptor.NewClient(api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if l.get != nil {
				if handled, err := l.get(key, o); handled {
					return err
				}
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if list, is := list.(*corev1.PodList); is && l.pods != nil {
				*list = *l.pods.DeepCopy()
				return nil
			}
			return c.List(ctx, list, opts...)
		},
	})
}

// begins lets the cache have a session and its pods as they are now, until the lag ends.
func (l *lag) begins(t *testing.T, s *v1alpha1.VDISession) {
	t.Helper()
	was := get(t, s)
	l.pods = &corev1.PodList{}
	require.NoError(t, api.List(t.Context(), l.pods, client.InNamespace(s.Namespace), client.MatchingLabels{v1alpha1.LabelSession: s.Name}))
	l.get = func(key client.ObjectKey, o client.Object) (bool, error) {
		if o, is := o.(*v1alpha1.VDISession); is && key == client.ObjectKeyFromObject(s) {
			*o = *was.DeepCopy()
			return true, nil
		}
		return false, nil
	}
}

func (l *lag) ends() { l.get, l.pods = nil, nil }

// is says always the same of whether a desktop is live.
func is(live bool) workload.Live { return func(context.Context) (bool, error) { return live, nil } }

func aConfig(t *testing.T) config.Config {
	t.Helper()
	cfg, err := config.Parse([]byte(leastConfiguration))
	require.NoError(t, err)
	return cfg
}

// byHand is a reconciler whose passes the test runs.
func byHand(t *testing.T, c client.Client, w workload.Workload) *session.Reconciler {
	t.Helper()
	signer, err := tokentest.NewSigner()
	require.NoError(t, err)
	cfg := aConfig(t)
	return &session.Reconciler{Client: c, API: api, Workload: w, Config: cfg, Defaults: session.NewDefaults(cfg.Sessions), Signer: signer,
		Events: recorder, Metrics: metrics.NewOperator(prometheus.NewRegistry()), Now: time.Now}
}

func apartFrom(t *testing.T, name string) *v1alpha1.VDISession {
	t.Helper()
	require.NoError(t, client.IgnoreAlreadyExists(api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "lagging"}})))
	require.NoError(t, client.IgnoreAlreadyExists(api.Create(t.Context(), newTemplate("lagging-"+name))))
	s := newSession("lagging", name, "lagging-"+name)
	require.NoError(t, api.Create(t.Context(), s))
	return s
}

func pass(t *testing.T, r *session.Reconciler, s *v1alpha1.VDISession) ctrl.Result {
	t.Helper()
	result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(s)})
	require.NoError(t, err)
	return result
}

func shapeOf(t *testing.T, s *v1alpha1.VDISession) workload.Shape {
	t.Helper()
	template := &v1alpha1.VDITemplate{}
	require.NoError(t, api.Get(t.Context(), types.NamespacedName{Name: s.Spec.Template}, template))
	shape, err := workload.Build(aConfig(t), template, s, 0)
	require.NoError(t, err)
	return shape
}

// A wake that also changes the shape: the cache still has the Service as it was before the
// patch, whose status says that its newest revision is the old one.
func TestAWakeWithAChangeStartsNoOldRevisionWhileTheCacheLags(t *testing.T) {
	s := apartFrom(t, "stale")
	l := &lag{}
	c := l.client()
	r := byHand(t, c, &workload.Knative{Client: c, API: api})
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	pass(t, r, s)
	old := rollOut(t, s)
	pass(t, r, s)
	require.NoError(t, hasScale(t, old, 1)())
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	pass(t, r, s)
	pass(t, r, s)
	stopped(t, old)
	before := knativeService(t, s)

	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn","persistence":{"enabled":false}}}`))
	l.get = func(_ client.ObjectKey, o client.Object) (bool, error) { // one pass sees the Service of a moment ago
		if service, ok := o.(*servingv1.Service); ok {
			*service = *before.DeepCopy()
			return true, nil
		}
		return false, nil
	}
	pass(t, r, s)
	l.get = nil
	require.Greater(t, knativeService(t, s).Generation, before.Generation, "the Service was patched")
	newest := rollOut(t, s)
	pass(t, r, s)
	pass(t, r, s)
	home := homeOf(s)
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(home), home))
	up := awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonUpToDate)
	assert.NoError(t, hasScale(t, old, 0)(), "the old revision, with the home, runs; %s=%s", up.Type, up.Status)
	assert.NoError(t, hasScale(t, newest, 1)())
	assert.Equal(t, "stale", home.Annotations[v1alpha1.AnnotationHeldBy], "the home is free although the old revision mounts it")
}

// The home of a start that is stuck without a pod is let go, while its old revision has a
// replica and the home until Knative has made the new one.
func TestAHomeIsNotLetGoWhileADeploymentOfOneReplicaHasIt(t *testing.T) {
	ns := space(t)
	first := given(t, ns, "first")
	old := woken(t, first)
	require.NoError(t, api.Status().Patch(t.Context(), old.DeepCopy(), client.RawPatch(types.MergePatchType,
		[]byte(`{"status":{"conditions":[{"type":"ReplicaFailure","status":"True","reason":"FailedCreate","message":"exceeded quota"}]}}`))))
	eventually.NoError(t, "it is stuck", func() error {
		if w := get(t, first).Status.Waiting; w == nil || w.Reason != v1alpha1.ReasonPodNotCreated {
			return fmt.Errorf("%+v", w)
		}
		return nil
	})
	require.NoError(t, patchSession(t, first, `{"spec":{"persistence":{"enabled":false}}}`))
	eventually.NoError(t, "the Service is patched", func() error {
		if knativeService(t, first).Generation != 2 {
			return errors.New("it is not")
		}
		return nil
	})
	second := given(t, ns, "second")
	awaitCondition(t, second, v1alpha1.ConditionHomeReady, metav1.ConditionFalse, v1alpha1.ReasonHomeInUse)
	visit(t, second)
	always(t, "the home stays with the first", func() error { return absent(t, &servingv1.Service{ObjectMeta: second.ObjectMeta}) })
	require.NoError(t, patchSession(t, first, `{"spec":{"power":"Off"}}`))
	stopped(t, old)
	awaitCondition(t, second, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeHeld)
}

// A Knative Service that was made anew has a revision of the same name as the old one, whose
// deployment the garbage collector has not come to.
func TestAWakeDoesNotStartTheDeploymentOfADeletedRevision(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	old := woken(t, s)
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	stopped(t, old)
	merge(t, newTemplate(ns), `{"spec":{"image":"dev.local/desktop:2"}}`)
	eventually.NoError(t, "what is stale goes", func() error { return absent(t, &servingv1.Service{ObjectMeta: s.ObjectMeta}) })
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	always(t, "the deleted revision's deployment stays at zero, and none of its name is made", func() error {
		return errors.Join(hasScale(t, old, 0)(), absent(t, &servingv1.Service{ObjectMeta: s.ObjectMeta}))
	})
	require.NoError(t, api.Delete(t.Context(), old)) // as Kubernetes' garbage collector does
	knativeService(t, s)
}

// A pass right after the wake, whose caches have neither Secret nor Service yet.
func TestAPassBehindItsOwnWakeDoesNotSayThatTheNameIsTaken(t *testing.T) {
	s := apartFrom(t, "behind")
	l := &lag{}
	c := l.client()
	r := byHand(t, c, &workload.Knative{Client: c, API: api})
	pass(t, r, s)
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	pass(t, r, s)
	require.Equal(t, v1alpha1.PhaseCreating, get(t, s).Status.Phase)
	l.get = func(key client.ObjectKey, o client.Object) (bool, error) {
		switch o.(type) {
		case *servingv1.Service, *corev1.Secret:
			return true, apierrors.NewNotFound(schema.GroupResource{}, key.Name)
		}
		return false, nil
	}
	pass(t, r, s)
	now := get(t, s)
	assert.Equal(t, v1alpha1.PhaseCreating, now.Status.Phase, now.Status.Message)
}

// A change to plain Deployments: a session whose Knative Service has been removed needs a
// turn again to get its name.
func TestASessionThatChangesOverGetsItsNameInOneTurn(t *testing.T) {
	s := apartFrom(t, "over")
	shape := shapeOf(t, s)
	k := &workload.Knative{Client: api, API: api}
	_, err := k.Apply(t.Context(), s, shape, is(false))
	require.NoError(t, err)
	cfg := aConfig(t)
	cfg.Knative.Enabled, cfg.Namespaces = false, []string{"lagging"}
	w := workload.New(cfg, api, api)
	turns := 1
	may := func() bool { turns--; return turns >= 0 }
	_, err = w.Rest(t.Context(), s, shape, true, may)
	require.NoError(t, err)
	require.NoError(t, absent(t, &servingv1.Service{ObjectMeta: s.ObjectMeta}), "the Knative Service went")
	for range 3 {
		_, err = w.Rest(t.Context(), s, shape, true, may)
		require.NoError(t, err)
	}
	assert.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(s), &corev1.Service{}), "its name, after one turn")
}

// A Deployment goes, although its controller has not seen that it is to stop: its ReplicaSet
// still makes the pod, beside that of the next wake.
func TestADeploymentIsNotRemovedBeforeItsControllerHasStoppedIt(t *testing.T) {
	s := apartFrom(t, "early")
	cfg := aConfig(t)
	cfg.Knative.Enabled, cfg.Namespaces = false, []string{"lagging"}
	w := workload.New(cfg, api, api)
	r := byHand(t, api, w)
	r.Config = cfg
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	pass(t, r, s)
	first := deploymentOf(t, api, s)
	require.NoError(t, hasScale(t, first, 1)())
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name + "-1", Labels: first.Spec.Template.Labels,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(first, appsv1.SchemeGroupVersion.WithKind("Deployment"))}},
		Spec: appsv1.ReplicaSetSpec{Replicas: first.Spec.Replicas, Selector: first.Spec.Selector, Template: first.Spec.Template}}
	require.NoError(t, api.Create(t.Context(), rs)) // its pod is a moment away
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	pass(t, r, s)
	merge(t, newTemplate(s.Spec.Template), `{"spec":{"image":"dev.local/desktop:2"}}`)
	pass(t, r, s)
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	pass(t, r, s)
	second := deploymentOf(t, api, s)
	assert.Equal(t, first.UID, second.UID, "a second Deployment with %d replicas, beside the first one's ReplicaSet with %d", *second.Spec.Replicas, *rs.Spec.Replicas)
}

// What the API server rounds or drops is taken for somebody else's change.
func TestWhatTheAPIServerRoundsIsNoChangeOfSomebodyElse(t *testing.T) {
	s := apartFrom(t, "rounded")
	merge(t, newTemplate(s.Spec.Template), `{"spec":{"resources":{"defaultCPU":"0.3333"}}}`)
	shape := shapeOf(t, s)
	d := &workload.Deployment{Client: api, API: api}
	for range 2 {
		delay, err := d.Apply(t.Context(), s, shape, is(true))
		require.NoError(t, err)
		assert.True(t, delay.None(), "delay %+v", delay)
	}
	rested, err := d.Rest(t.Context(), s, shape, true, func() bool { return false })
	require.NoError(t, err)
	assert.True(t, rested.Fits, "%+v", rested)
}

// A Route of somebody else has the name, without a Knative Service.
func TestARouteThatHasTheNameIsSaidAndNotAskedForAgainAndAgain(t *testing.T) {
	s := apartFrom(t, "routed")
	placeholder := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, OwnerReferences: []metav1.OwnerReference{{
		APIVersion: "serving.knative.dev/v1", Kind: "Route", Name: s.Name, UID: "1", Controller: new(true)}}},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "x.example.com"}}
	require.NoError(t, api.Create(t.Context(), placeholder))
	k := &workload.Knative{Client: api, API: api}
	rest := func() (workload.Rested, error) {
		return k.Rest(t.Context(), s, shapeOf(t, s), true, func() bool { return true })
	}
	_, err := rest()
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	wantText(t, err.Error(), `belongs to somebody else, Route "`+s.Name+`" of serving.knative.dev/v1`, "choose another name")

	merge(t, placeholder, `{"metadata":{"labels":{"vdi.kasm.io/session":"`+s.Name+`"}}}`)
	rested, err := rest()
	require.NoError(t, err, "what is left of its own goes by itself")
	assert.Greater(t, rested.Again, time.Second)
}
