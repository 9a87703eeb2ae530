//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/metrics"
	"github.com/org/vdi-operator/pkg/token/tokentest"
	"github.com/org/vdi-operator/pkg/uninstall"
	"github.com/org/vdi-operator/pkg/workload"
)

// operatorByHand is the sessions' controller of an installation of its own, which works
// only when it is told to. Who reports to it and what its clock says can be changed.
func operatorByHand(t *testing.T, change ...func(*session.Reconciler)) func(*v1alpha1.VDISession) *v1alpha1.VDISession {
	t.Helper()
	signer, err := tokentest.NewSigner()
	require.NoError(t, err)
	cfg, err := config.Parse([]byte(leastConfiguration))
	require.NoError(t, err)
	r := &session.Reconciler{
		Client: api, Workload: &workload.Knative{Client: api, API: api}, Config: cfg, Defaults: session.NewDefaults(cfg.Sessions), Signer: signer,
		Events: events.NewFakeRecorder(100), Metrics: metrics.NewOperator(prometheus.NewRegistry()), Now: time.Now,
	}
	for _, c := range change {
		c(r)
	}
	return func(s *v1alpha1.VDISession) *v1alpha1.VDISession {
		t.Helper()
		// Twice, as what the first writes brings it again.
		for range 2 {
			_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(s)})
			require.NoError(t, err)
		}
		now := &v1alpha1.VDISession{}
		require.NoError(t, client.IgnoreNotFound(api.Get(t.Context(), client.ObjectKeyFromObject(s), now)))
		return now
	}
}

// inUnserved creates a session that only operatorByHand sees.
func inUnserved(t *testing.T, name string, change func(*v1alpha1.VDISession)) *v1alpha1.VDISession {
	t.Helper()
	return inApart(t, unserved, name, change)
}

// inApart creates a session in one of the namespaces apart.
func inApart(t *testing.T, namespace, name string, change func(*v1alpha1.VDISession)) *v1alpha1.VDISession {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	require.NoError(t, client.IgnoreAlreadyExists(api.Create(t.Context(), ns)))
	require.NoError(t, client.IgnoreAlreadyExists(api.Create(t.Context(), newTemplate(namespace))))
	s := newSession(namespace, name, namespace)
	s.Spec.User = name + "@example.com"
	if change != nil {
		change(s)
	}
	require.NoError(t, api.Create(t.Context(), s))
	return s
}

// awake brings a session's desktop up, as operator, Knative and kubelet do.
func awake(t *testing.T, reconcile func(*v1alpha1.VDISession) *v1alpha1.VDISession, s *v1alpha1.VDISession) (*appsv1.Deployment, *corev1.Pod) {
	t.Helper()
	reconcile(s)
	visit(t, s)
	reconcile(s)
	deployment := rollOut(t, s)
	reconcile(s)
	pod := startPod(t, s)
	now := reconcile(s)
	require.Equal(t, v1alpha1.PhaseRunning, now.Status.Phase, "phase: %s", now.Status.Message)
	return deployment, pod
}

// programOf is a Deployment of an installation with one running pod.
func programOf(t *testing.T, name string) (*appsv1.Deployment, *corev1.Pod) {
	t.Helper()
	labels, one, noGrace := map[string]string{"app": name}, int32(1), int64(0)
	spec := corev1.PodSpec{NodeName: "node", TerminationGracePeriodSeconds: &noGrace, Containers: []corev1.Container{{Name: "program", Image: "dev.local/program:1"}}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: unserved, Name: name + "-1", Labels: labels}, Spec: *spec.DeepCopy()}
	require.NoError(t, api.Create(t.Context(), pod))
	spec.NodeName, spec.TerminationGracePeriodSeconds = "", nil
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: unserved, Name: name}, Spec: appsv1.DeploymentSpec{
		Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
	}}
	require.NoError(t, api.Create(t.Context(), d))
	t.Cleanup(func() {
		for _, o := range []client.Object{d, pod} {
			require.NoError(t, client.IgnoreNotFound(api.Delete(context.Background(), o)))
		}
	})
	return d, pod
}

func uninstaller(out *bytes.Buffer, timeout time.Duration) *uninstall.Uninstaller {
	key := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: unserved, Name: name} }
	return &uninstall.Uninstaller{
		Client: api, Workload: &workload.Knative{Client: api, API: api}, Installation: unserved + "/vdi", Namespaces: []string{unserved},
		Operator: key("the-operator"), Activator: key("the-activator"), Timeout: timeout, Out: out,
	}
}

func absent(t *testing.T, o client.Object) error {
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(o), o); !apierrors.IsNotFound(err) {
		return fmt.Errorf("%T %s is there (%w)", o, o.GetName(), err)
	}
	return nil
}

func homeOf(s *v1alpha1.VDISession) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: workload.HomeName(s.Spec.User, s.Spec.Template)}}
}

func TestAnUninstallLeavesAloneWhatAnotherInstallationServes(t *testing.T) {
	reconcile := operatorByHand(t)
	theirs := inUnserved(t, "theirs", nil)
	reconcile(theirs)
	claim, other := claimOf(unserved), "elsewhere/vdi"
	claim.Spec.HolderIdentity = &other
	require.NoError(t, api.Create(t.Context(), claim))
	t.Cleanup(func() { require.NoError(t, client.IgnoreNotFound(api.Delete(context.Background(), claim))) })
	programOf(t, "the-operator")
	programOf(t, "the-activator")
	for _, o := range []string{"the-operator-1", "the-activator-1"} { // as kubelet and their ReplicaSets would
		require.NoError(t, api.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: unserved, Name: o}}))
	}
	var out bytes.Buffer
	require.NoError(t, uninstaller(&out, 20*time.Second).Run(t.Context()))
	assert.Contains(t, out.String(), "Left namespace unserved alone, which installation elsewhere/vdi serves.")
	assert.NotEmpty(t, get(t, theirs).Finalizers)
	require.NoError(t, namespaceOf(t, unserved, other)())
	require.NoError(t, api.Delete(t.Context(), theirs))
	reconcile(theirs)
}

func TestAnUninstallLeavesSessionsAndHomesAndAnotherInstallationTakesThemUp(t *testing.T) {
	reconcile := operatorByHand(t)
	ada := inUnserved(t, "ada", nil)
	deployment, pod := awake(t, reconcile, ada)
	home := homeOf(ada)
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(home), home))
	asleep := inUnserved(t, "asleep", nil)
	reconcile(asleep)
	deletes := newTemplate("deletes-homes")
	deletes.Spec.Persistence.ReclaimPolicy = v1alpha1.ReclaimDelete
	require.NoError(t, api.Create(t.Context(), deletes))
	going := inUnserved(t, "going", func(s *v1alpha1.VDISession) { s.Spec.Template = deletes.Name })
	reconcile(going)
	require.NoError(t, api.Delete(t.Context(), going))
	// Another installation's.
	other := given(t, space(t), "other")
	awaitCondition(t, other, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeHeld)

	operator, operatorPod := programOf(t, "the-operator")
	activator, _ := programOf(t, "the-activator")
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: unserved, Name: "vdi-operator"}}
	require.NoError(t, api.Create(t.Context(), lease))

	var out bytes.Buffer
	u := uninstaller(&out, 40*time.Second)
	u.Leftovers = []client.Object{lease.DeepCopy()}
	gaveBack := false
	u.GiveBack = func(context.Context) ([]string, error) {
		gaveBack = true
		return []string{"ConfigMap config-features"}, absent(t, &corev1.Pod{ObjectMeta: pod.ObjectMeta})
	}
	ended := make(chan error, 1)
	go func() { ended <- u.Run(t.Context()) }()

	eventually.NoError(t, "both programs scaled to zero", func() error {
		return errors.Join(hasScale(t, operator, 0)(), hasScale(t, activator, 0)())
	})
	always(t, "the desktops stay while the operator could make them anew", func() error {
		return api.Get(t.Context(), client.ObjectKeyFromObject(ada), &servingv1.Service{})
	})
	require.NoError(t, api.Delete(t.Context(), operatorPod))
	eventually.NoError(t, "the Knative Services deleted", func() error {
		return errors.Join(absent(t, &servingv1.Service{ObjectMeta: ada.ObjectMeta}), absent(t, &servingv1.Service{ObjectMeta: going.ObjectMeta}))
	})
	assert.NotEmpty(t, get(t, ada).Finalizers, "let go of a session whose desktop still runs")
	// What Kubernetes' garbage collector does.
	for _, o := range []client.Object{deployment, pod} {
		require.NoError(t, api.Delete(t.Context(), o))
	}
	require.NoError(t, api.DeleteAllOf(t.Context(), &autoscalingv1alpha1.PodAutoscaler{}, client.InNamespace(unserved)))
	require.NoError(t, <-ended, "%s", &out)
	assert.True(t, gaveBack, "Knative's configuration was not given back")
	wantText(t, out.String(), "Stopped Deployment "+unserved+"/the-operator.", "the desktops of 3 sessions", "Finished deleting 1 session.",
		"Removed Lease "+unserved+"/vdi-operator.", "Gave back ConfigMap config-features.",
		"sessions (VDISessions): 2: "+unserved+" 2\n", "VDITemplates", "kubectl delete crd")

	for _, s := range []*v1alpha1.VDISession{ada, asleep} {
		now := get(t, s)
		require.Empty(t, now.Finalizers, s.Name)
		require.Empty(t, now.Status.URL, s.Name)
		assert.Nil(t, now.Status.StartTime, "%s: finalizers, status %+v", s.Name, now.Status)
		awaitCondition(t, s, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNotServed)
		require.NoError(t, absent(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: unserved, Name: workload.TokenSecretName(s.Name)}}))
	}
	require.NoError(t, absent(t, &v1alpha1.VDISession{ObjectMeta: going.ObjectMeta}))
	require.NoError(t, absent(t, lease))
	lost := homeOf(going)
	assert.False(t, api.Get(t.Context(), client.ObjectKeyFromObject(lost), lost) == nil && lost.DeletionTimestamp.IsZero(),
		"the home that was to be deleted with its session is there")
	uid := home.UID
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(home), home))
	if home.UID != uid || !home.DeletionTimestamp.IsZero() || home.Annotations[v1alpha1.AnnotationHeldBy] != "ada" {
		t.Errorf("the home of a session that stays: %+v", home.ObjectMeta)
	}
	now := get(t, other)
	require.NotEmpty(t, now.Finalizers)
	assert.NotEmpty(t, now.Status.URL, "another installation's session: finalizers, %+v", now.Status)

	out.Reset()
	assert.NoError(t, u.Run(t.Context()), "a second time")

	again := operatorByHand(t)
	now = again(ada)
	require.NotEmpty(t, now.Finalizers)
	require.NotEmpty(t, now.Status.URL)
	assert.Nil(t, now.Status.StartTime, "after another installation: finalizers, %+v", now.Status)
	awaitHolder(t, ada)
	visit(t, ada)
	again(ada)
	rolled := rollOut(t, ada)
	again(ada)
	startPod(t, ada)
	now = again(ada)
	assert.Equal(t, v1alpha1.PhaseRunning, now.Status.Phase, "a visit does not wake it, %s", now.Status.Message)
	// The next story's uninstall is not to meet this desktop.
	require.NoError(t, api.Delete(t.Context(), rolled))
	of := client.MatchingLabels{v1alpha1.LabelSession: "ada"}
	require.NoError(t, api.DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace(unserved), of))
}

func awaitHolder(t *testing.T, s *v1alpha1.VDISession) {
	t.Helper()
	claim := homeOf(s)
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(claim), claim))
	assert.Equal(t, s.Name, claim.Annotations[v1alpha1.AnnotationHeldBy], "the home is held")
}

func TestAnUninstallDoesNotWaitForEverForADesktopThatDoesNotStop(t *testing.T) {
	reconcile := operatorByHand(t)
	stuck := inUnserved(t, "stuck", nil)
	deployment, pod := awake(t, reconcile, stuck)
	t.Cleanup(func() {
		for _, o := range []client.Object{deployment, pod} {
			_ = api.Delete(context.Background(), o)
		}
	})
	var out bytes.Buffer
	require.NoError(t, uninstaller(&out, 8*time.Second).Run(t.Context()), "%s", &out)
	wantText(t, out.String(), "Waiting for 1 desktop to stop; of "+unserved+"/stuck there is still deployment", "was asked to stop and goes when it can")
	now := get(t, stuck)
	require.Empty(t, now.Finalizers)
	assert.Contains(t, now.Status.Message, "uninstalled", "finalizers")
}
