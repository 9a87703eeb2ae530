//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/warmpool"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/workload"
)

// pooled creates a template, named after the namespace, of which so many desktops wait there.
func pooled(t *testing.T, namespace string, replicas int32, change func(*v1alpha1.VDITemplateSpec)) *v1alpha1.VDITemplate {
	t.Helper()
	template := newTemplate(namespace)
	template.Spec.Resources.DefaultGPU = new(int32(0))
	template.Spec.Persistence.Enabled = new(false)
	template.Spec.WarmPool = &v1alpha1.WarmPool{Replicas: replicas, Namespaces: []string{namespace}}
	if change != nil {
		change(&template.Spec)
	}
	require.NoError(t, api.Create(t.Context(), template))
	t.Cleanup(func() { _ = api.Delete(context.Background(), template) })
	return template
}

// waiting are the pods of a pool that do not end.
func waiting(t *testing.T, namespace string) (all []corev1.Pod) {
	t.Helper()
	list := &corev1.PodList{}
	require.NoError(t, api.List(t.Context(), list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelSession: ""}))
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			all = append(all, p)
		}
	}
	return all
}

func awaitWaiting(t *testing.T, namespace string, n int) (all []corev1.Pod) {
	t.Helper()
	eventually.NoError(t, fmt.Sprintf("%d desktops to wait", n), func() error {
		if all = waiting(t, namespace); len(all) != n {
			return fmt.Errorf("%d do", len(all))
		}
		return nil
	})
	return all
}

// getsReady does what scheduler and kubelet do; the desktop has been ready for a minute.
func getsReady(t *testing.T, pod *corev1.Pod, node string) {
	t.Helper()
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}}
	require.NoError(t, api.SubResource("binding").Create(t.Context(), pod, binding))
	ready := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	patch := fmt.Sprintf(`{"status":{"phase":"Running","podIP":"10.0.0.1","conditions":[{"type":"Ready","status":"True","lastTransitionTime":%q}],`+
		`"containerStatuses":[{"name":"desktop","ready":true,"restartCount":0,"image":"","imageID":"","state":{"running":{"startedAt":%[1]q}}}]}}`, ready)
	require.NoError(t, api.Status().Patch(t.Context(), pod, client.RawPatch(types.MergePatchType, []byte(patch))))
}

func awaitPool(t *testing.T, template string, want v1alpha1.TemplateWarmPool) {
	t.Helper()
	eventually.NoError(t, "the template's status to say what waits", func() error {
		if got := statusOf(t, template).WarmPool; got == nil || *got != want {
			return fmt.Errorf("have %+v, want %+v", got, want)
		}
		return nil
	})
}

// takes waits until the session has a desktop that waited.
func takes(t *testing.T, s *v1alpha1.VDISession, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	now := &corev1.Pod{}
	eventually.NoError(t, "the session to have the desktop", func() error {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(pod), now); err != nil {
			return err
		}
		if now.Labels[v1alpha1.LabelSession] != s.Name || !metav1.IsControlledBy(now, get(t, s)) {
			return fmt.Errorf("it has %v of %v", now.Labels, now.OwnerReferences)
		}
		return nil
	})
	return now
}

func TestASessionTakesADesktopThatWaitsAndNobodyGetsItAfterwards(t *testing.T) {
	ns := space(t)
	program := programOn(t, verifier, ns)
	template := pooled(t, ns, 1, nil)
	pod := awaitWaiting(t, ns, 1)[0]
	assert.True(t, metav1.IsControlledBy(&pod, template), "it goes with its template")
	budget := &policyv1.PodDisruptionBudget{}
	eventually.NoError(t, "what every namespace with desktops has", func() error {
		return api.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "vdi-desktops"}, budget)
	})
	secret := &corev1.Secret{}
	eventually.NoError(t, "its tokens", func() error { return api.Get(t.Context(), client.ObjectKeyFromObject(&pod), secret) })
	assert.True(t, metav1.IsControlledBy(secret, &pod), "they go with it")
	of, err := verifier.VerifyPod(token.AudienceAgent, string(secret.Data[workload.AgentTokenKey]), time.Now())
	require.NoError(t, err)
	assert.Equal(t, token.Pod{Name: client.ObjectKeyFromObject(&pod), UID: pod.UID}, of)
	awaitPool(t, ns, v1alpha1.TemplateWarmPool{Desired: 1, Reason: v1alpha1.ReasonRefilling, Message: "Desktops of the pool start."})
	getsReady(t, &pod, ns)
	eventually.NoError(t, "it to be frozen", func() error {
		if !program.Frozen(pod.UID) {
			return errors.New("it runs")
		}
		return nil
	})
	awaitPool(t, ns, v1alpha1.TemplateWarmPool{Desired: 1, Ready: 1, Dozing: 1, Reason: v1alpha1.ReasonReady})
	require.True(t, meta.IsStatusConditionTrue(statusOf(t, ns).Conditions, v1alpha1.ConditionWarmPoolReady))

	s := newSession(ns, "ada", ns)
	require.NoError(t, api.Create(t.Context(), s))
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	visit(t, s)
	claimed := takes(t, s, &pod)
	assert.False(t, program.Frozen(pod.UID))
	assert.Equal(t, "false", claimed.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"], "from now on nobody evicts it")
	now := awaitPhase(t, s, v1alpha1.PhaseRunning)
	assert.Equal(t, pod.Name, now.Status.PodName)
	awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonUpToDate)
	require.NoError(t, absent(t, &servingv1.Service{ObjectMeta: s.ObjectMeta}), "nothing else starts for it")
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(s), &corev1.Service{}), "it has its name")
	next := awaitWaiting(t, ns, 1)[0]
	assert.NotEqual(t, pod.UID, next.UID)
	awaitPool(t, ns, v1alpha1.TemplateWarmPool{Desired: 1, Claimed: 1, Reason: v1alpha1.ReasonRefilling, Message: "Desktops of the pool start."})

	merge(t, template, `{"spec":{"image":"dev.local/desktop:2"}}`)
	eventually.NoError(t, "the one of the earlier image to go", func() error {
		if all := waiting(t, ns); len(all) != 1 || all[0].Spec.Containers[0].Image != "dev.local/desktop:2" {
			return fmt.Errorf("%d wait", len(all))
		}
		return nil
	})
	awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSleep)
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(&pod), claimed))
	require.Nil(t, claimed.DeletionTimestamp, "who works there keeps it")

	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	eventually.NoError(t, "its desktop to end with its sleep", func() error {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(&pod), claimed); err != nil || claimed.DeletionTimestamp != nil {
			return client.IgnoreNotFound(err)
		}
		return errors.New("it runs")
	})
	assert.Equal(t, "ada", claimed.Labels[v1alpha1.LabelSession], "it is nobody else's")
	require.NoError(t, client.IgnoreNotFound(api.Delete(t.Context(), claimed, client.GracePeriodSeconds(0))))
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"OnDemand"}}`))
	visit(t, s)
	knativeService(t, s) // nothing is ready, so it starts as every desktop does
}

func TestWhoAsksForSomethingElseThanTheTemplateStartsFromZero(t *testing.T) {
	ns := space(t)
	pooled(t, ns, 1, nil)
	pod := awaitWaiting(t, ns, 1)[0]
	getsReady(t, &pod, ns)
	awaitPool(t, ns, v1alpha1.TemplateWarmPool{Desired: 1, Ready: 1, Reason: v1alpha1.ReasonReady})
	s := newSession(ns, "ada", ns)
	memory := resource.MustParse("8Gi")
	s.Spec.Resources = &v1alpha1.SessionResources{Memory: &memory}
	require.NoError(t, api.Create(t.Context(), s))
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	visit(t, s)
	knativeService(t, s)
	assert.Equal(t, pod.UID, awaitWaiting(t, ns, 1)[0].UID)
}

func TestWithoutKnativeADeletedSessionTakesItsClaimedDesktopAlong(t *testing.T) {
	in := install(t, cluster, api, "warmplain")
	pooled(t, "warmplain", 1, nil)
	in.run(false)
	pod := awaitWaiting(t, "warmplain", 1)[0]
	getsReady(t, &pod, "anywhere")
	s := newSession("warmplain", "ada", "warmplain")
	require.NoError(t, api.Create(t.Context(), s))
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	awaitPool(t, "warmplain", v1alpha1.TemplateWarmPool{Desired: 1, Ready: 1, Reason: v1alpha1.ReasonReady})
	visit(t, s)
	takes(t, s, &pod)
	awaitPhase(t, s, v1alpha1.PhaseRunning)
	require.NoError(t, absent(t, &appsv1.Deployment{ObjectMeta: s.ObjectMeta}))
	require.NoError(t, api.Delete(t.Context(), s.DeepCopy()))
	eventually.NoError(t, "its desktop to end", func() error {
		now := &corev1.Pod{}
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(&pod), now); err != nil || now.DeletionTimestamp != nil {
			return client.IgnoreNotFound(err)
		}
		return errors.New("it runs")
	})
	require.NoError(t, client.IgnoreNotFound(api.Delete(t.Context(), &pod, client.GracePeriodSeconds(0))))
	gone(t, s, &v1alpha1.VDISession{})
}

func TestAPoolNeedsDesktopsWithoutAHome(t *testing.T) {
	template := newTemplate("warm-with-a-home")
	template.Spec.WarmPool = &v1alpha1.WarmPool{Replicas: 1, Namespaces: []string{"default"}}
	require.ErrorContains(t, api.Create(t.Context(), template), "a running pod cannot gain a volume: set persistence.enabled to false, or remove warmPool")
	template.Spec.Persistence.Enabled, template.Spec.WarmPool.Namespaces = new(false), []string{"Not A Name"}
	require.ErrorContains(t, api.Create(t.Context(), template), "must be the name of a namespace, such as default")
	template.Spec.WarmPool.Namespaces = nil
	require.ErrorContains(t, api.Create(t.Context(), template), "spec.warmPool.namespaces")
}

func TestAQuotaBoundsAPoolAndItsTemplateSaysSo(t *testing.T) {
	ns := space(t)
	none := corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "team"}, Spec: corev1.ResourceQuotaSpec{Hard: none}}
	require.NoError(t, api.Create(t.Context(), quota))
	quota.Status = corev1.ResourceQuotaStatus{Hard: none, Used: none}
	require.NoError(t, api.Status().Update(t.Context(), quota))
	eventually.NoError(t, "the quota to count", func() error {
		err := api.Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "tried-"},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "dev.local/a:1"}}}})
		if err == nil || !strings.Contains(err.Error(), "exceeded quota") {
			return fmt.Errorf("a pod was made (%w)", err)
		}
		return nil
	})
	pooled(t, ns, 2, nil)
	eventually.NoError(t, "the template to say so", func() error {
		c := meta.FindStatusCondition(statusOf(t, ns).Conditions, v1alpha1.ConditionWarmPoolReady)
		if c == nil || c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonRefused ||
			!strings.Contains(c.Message, "In namespace "+ns) || !strings.Contains(c.Message, "exceeded quota: team") {
			return fmt.Errorf("have %+v", c)
		}
		return nil
	})
	assert.Empty(t, waiting(t, ns))
}

// apartPool is a pool that no controller of the tests looks at, with so many that are ready.
func apartPool(t *testing.T, name string, ready int) (*v1alpha1.VDITemplate, []corev1.Pod) {
	t.Helper()
	require.NoError(t, client.IgnoreAlreadyExists(api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})))
	template := pooled(t, name, int32(ready), nil)
	operator := anOperator(t)
	for range ready {
		_, err := operator.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(template)})
		require.NoError(t, err)
	}
	all := waiting(t, name)
	require.Len(t, all, ready)
	for i := range all {
		getsReady(t, &all[i], "anywhere")
	}
	return template, all
}

// anOperator is one's keeper of pools, which knows nothing but what it reads.
func anOperator(t *testing.T) *warmpool.Reconciler {
	t.Helper()
	cfg := aConfig(t)
	by := byHand(t, api, nil)
	return &warmpool.Reconciler{Client: api, API: api, Config: cfg, Workload: workload.New(cfg, api, api), Signer: by.Signer,
		Metrics: metrics.NewOperator(prometheus.NewRegistry()), Now: time.Now}
}

func TestOfTwoSessionsAndTwoOperatorsOneGetsADesktop(t *testing.T) {
	template, pods := apartPool(t, "warmrace", 1)
	var all []*v1alpha1.VDISession
	for _, name := range []string{"ada", "bob", "eve", "grace"} {
		s := newSession("warmrace", name, "warmrace")
		require.NoError(t, api.Create(t.Context(), s))
		all = append(all, s)
	}
	got := make([]*corev1.Pod, len(all))
	var work sync.WaitGroup
	for i, s := range all {
		operator, shape := anOperator(t), shapeOf(t, s)
		work.Go(func() {
			pod, err := operator.Take(t.Context(), s, template, shape)
			assert.NoError(t, err)
			got[i] = pod
		})
	}
	work.Wait()
	owners := 0
	now := &corev1.Pod{}
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(&pods[0]), now))
	for i, s := range all {
		if got[i] != nil {
			owners++
			assert.True(t, metav1.IsControlledBy(now, s), "%s took what the API server gave to another", s.Name)
		}
	}
	assert.Equal(t, 1, owners)
	assert.Empty(t, waiting(t, "warmrace"))
}

func TestASessionForWhichTwoOperatorsTookADesktopKeepsOne(t *testing.T) {
	_, pods := apartPool(t, "warmtwice", 2)
	s := newSession("warmtwice", "ada", "warmtwice")
	require.NoError(t, api.Create(t.Context(), s))
	shape := shapeOf(t, s)
	for i := range pods { // as two would that looked at the same moment, and took different ones
		require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(&pods[i]), &pods[i]))
		_, err := workload.New(aConfig(t), api, api).Claim(t.Context(), s, shape, &pods[i])
		require.NoError(t, err)
	}
	taken, err := anOperator(t).Take(t.Context(), s, &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "warmtwice"},
		Spec: v1alpha1.VDITemplateSpec{WarmPool: &v1alpha1.WarmPool{Namespaces: []string{"warmtwice"}}}}, shape)
	require.NoError(t, err)
	require.Nil(t, taken, "a third")
	left := func() (names []string) {
		list := &corev1.PodList{}
		require.NoError(t, api.List(t.Context(), list, client.InNamespace("warmtwice"), client.MatchingLabels{v1alpha1.LabelSession: "ada"}))
		for _, p := range list.Items {
			if p.DeletionTimestamp == nil {
				names = append(names, p.Name)
			}
		}
		return names
	}
	r := byHand(t, api, workload.New(aConfig(t), api, api))
	visit(t, s)
	pass(t, r, s)
	require.Len(t, left(), 1)
	kept := left()
	pass(t, r, s)
	assert.Equal(t, kept, left())
	assert.Equal(t, kept[0], get(t, s).Status.PodName)
}

func TestAnOperatorThatIsKilledAfterTheClaimLeavesTheSessionItsDesktop(t *testing.T) {
	_, pods := apartPool(t, "warmkilled", 2)
	s := newSession("warmkilled", "ada", "warmkilled")
	require.NoError(t, api.Create(t.Context(), s))
	first := byHand(t, api, nil)
	pool := anOperator(t)
	first.Workload, first.Pool = pool.Workload, pool
	pass(t, first, s)
	visit(t, s)
	first.Client = killed()
	pass(t, first, s)
	require.Nil(t, get(t, s).Status.StartTime, "the wake is not on record")
	require.Len(t, waiting(t, "warmkilled"), 1, "one of %d is taken", len(pods))

	next, pool := byHand(t, api, nil), anOperator(t)
	next.Workload, next.Pool = pool.Workload, pool
	pass(t, next, s)
	pass(t, next, s)
	assert.Equal(t, v1alpha1.PhaseRunning, get(t, s).Status.Phase)
	require.Len(t, waiting(t, "warmkilled"), 1, "the next operator took another one")
	require.NoError(t, absent(t, &servingv1.Service{ObjectMeta: s.ObjectMeta}))
}

func TestADesktopThatWaitsGivesItsGPUToASessionThatWaitsForOne(t *testing.T) {
	t.Parallel() // it waits for minutes
	ns := space(t)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: ns}}
	require.NoError(t, api.Create(t.Context(), node))
	t.Cleanup(func() { _ = api.Delete(context.Background(), node) })
	node.Spec.Taints = nil // the API server's, of a node that is not ready yet
	require.NoError(t, api.Update(t.Context(), node))
	node.Status.Allocatable = corev1.ResourceList{"example.com/warm": resource.MustParse("1")}
	require.NoError(t, api.Status().Update(t.Context(), node))
	pooled(t, ns, 2, func(spec *v1alpha1.VDITemplateSpec) {
		spec.Resources.DefaultGPU, spec.GPUResourceName = new(int32(1)), "example.com/warm"
	})
	all := awaitWaiting(t, ns, 2)
	getsReady(t, &all[0], ns)
	awaitPool(t, ns, v1alpha1.TemplateWarmPool{Desired: 2, Ready: 1, Reason: v1alpha1.ReasonRefilling, Message: "Desktops of the pool start."})

	other := space(t)
	template := newTemplate(other)
	template.Spec.GPUResourceName = "example.com/warm"
	require.NoError(t, api.Create(t.Context(), template))
	s := newSession(other, "bob", other)
	require.NoError(t, api.Create(t.Context(), s))
	woken(t, s)
	one := resource.MustParse("1")
	labels := workload.Labels(s)
	labels["serving.knative.dev/revision"] = "bob-00001"
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: "bob-1", Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: v1alpha1.ContainerDesktop, Image: "dev.local/desktop:1", Resources: corev1.ResourceRequirements{
			Limits: corev1.ResourceList{"example.com/warm": one}, Requests: corev1.ResourceList{"example.com/warm": one}}}}}}
	require.NoError(t, api.Create(t.Context(), pod))
	require.NoError(t, api.Status().Patch(t.Context(), pod, client.RawPatch(types.MergePatchType, []byte(
		`{"status":{"conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/1 nodes are available: 1 Insufficient example.com/warm."}]}}`))))
	soon, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // nodes are listed once a minute, and the session looks less often
	defer cancel()
	require.NoError(t, eventually.Wait(soon, "it waits for a GPU", func() error {
		if w := get(t, s).Status.Waiting; w == nil || w.Reason != v1alpha1.ReasonWaitingForGPU {
			return fmt.Errorf("%+v", w)
		}
		return nil
	}))
	awaitWaiting(t, ns, 0)
	awaitPool(t, ns, v1alpha1.TemplateWarmPool{Desired: 2, Reason: v1alpha1.ReasonSessionsFirst,
		Message: "Sessions wait for a GPU, and desktops of the pool come after them."})
}
