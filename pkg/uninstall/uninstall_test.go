package uninstall

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func micro(t time.Time) *metav1.MicroTime { return &metav1.MicroTime{Time: t} }

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme, servingv1.AddToScheme} {
		require.NoError(t, add(s))
	}
	return s
}

func uninstaller(c client.Client, out *bytes.Buffer) *Uninstaller {
	return &Uninstaller{
		Client: c, Workload: &workload.Knative{Client: c}, Timeout: 8 * time.Second, Out: out,
		Operator:  types.NamespacedName{Namespace: "vdi-system", Name: "vdi-operator"},
		Activator: types.NamespacedName{Namespace: "vdi-system", Name: "vdi-activator"},
	}
}

func TestASessionThatNobodyServesIsAsleepAndSaysSo(t *testing.T) {
	early, late := now.Add(-time.Hour), now.Add(-time.Minute)
	for name, tc := range map[string]struct {
		status v1alpha1.VDISessionStatus
		slept  *metav1.MicroTime
		reason string
	}{
		"never visited": {},
		"asleep":        {v1alpha1.VDISessionStatus{SleepTime: micro(late), SleepReason: "IdleTimeout", Activity: &v1alpha1.SessionActivity{LastWakeTime: micro(early)}}, micro(late), "IdleTimeout"},
		"awake":         {v1alpha1.VDISessionStatus{StartTime: micro(early), SleepTime: micro(early.Add(-time.Hour)), SleepReason: "IdleTimeout"}, micro(now), ""},
		"asked for while nobody led": {v1alpha1.VDISessionStatus{SleepTime: micro(early), SleepReason: "MaxDuration",
			Activity: &v1alpha1.SessionActivity{LastWakeTime: micro(late)}}, micro(now), ""},
		"asked for by a clock ahead": {v1alpha1.VDISessionStatus{Activity: &v1alpha1.SessionActivity{LastWakeTime: micro(now.Add(time.Second))}}, micro(now.Add(time.Second)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			tc.status.URL, tc.status.PodName, tc.status.Phase = "https://ada--desktops.example.com/", "ada-1", v1alpha1.PhaseRunning
			tc.status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionHomeReady, Status: metav1.ConditionTrue}}
			got := notServed(&v1alpha1.VDISession{Status: tc.status}, now)
			if got.URL != "" || got.PodName != "" || got.StartTime != nil || got.Phase != v1alpha1.PhasePending || got.Message == "" {
				t.Errorf("still says that it is served: %+v", got)
			}
			require.True(t, got.SleepTime.Equal(tc.slept))
			assert.Equal(t, tc.reason, got.SleepReason, "asleep since %v, want %v", got.SleepTime, tc.slept)
			assert.Same(t, tc.status.Activity, got.Activity, "when it was used is lost")
			if len(got.Conditions) != 1 || !meta.IsStatusConditionFalse(got.Conditions, v1alpha1.ConditionReady) || got.Conditions[0].Reason != v1alpha1.ReasonNotServed {
				t.Errorf("conditions %+v", got.Conditions)
			}
		})
	}
}

func TestWhatStaysIsNamedWithTheCommandsThatRemoveIt(t *testing.T) {
	text := stays(map[string]int{"lab": 1, "desktops": 2}, map[string]int{"desktops": 2}, []string{"kde", "selkies"}, true)
	for _, want := range []string{
		"homes (PersistentVolumeClaims): 2: desktops 2\n", "sessions (VDISessions): 3: desktops 2, lab 1\n", "templates (VDITemplates): kde, selkies\n",
		"kubectl delete pvc -l vdi.kasm.io/user-hash", "kubectl delete crd vdisessions.vdi.kasm.io vditemplates.vdi.kasm.io",
	} {
		assert.Contains(t, text, want, "want %q in:\n%s", want, text)
	}
	assert.Equal(t, "Nothing is left.", stays(nil, nil, nil, false), "of nothing")
}

func TestWithoutItsDefinitionsThereIsNothingToTakeBack(t *testing.T) {
	gone := func(list client.ObjectList) error {
		switch list.(type) {
		case *v1alpha1.VDISessionList, *v1alpha1.VDITemplateList:
			return &meta.NoKindMatchError{GroupKind: v1alpha1.GroupVersion.WithKind("VDISession").GroupKind()}
		}
		return nil
	}
	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: "vdi-desktops", Labels: map[string]string{v1alpha1.LabelDesktopNetwork: "true"}}}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: "vdi-desktops", Labels: map[string]string{v1alpha1.LabelDesktopBudget: "true"}}}
	other := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: "other"}}
	c := fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(policy, budget, other).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if err := gone(list); err != nil {
				return err
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
	var out bytes.Buffer
	require.NoError(t, uninstaller(c, &out).Run(t.Context()))
	for _, want := range []string{"no Deployment vdi-system/vdi-operator", "VDISessions is gone", "Removed NetworkPolicy desktops/vdi-desktops",
		"Removed PodDisruptionBudget desktops/vdi-desktops", "Nothing is left."} {
		assert.Contains(t, out.String(), want, "want %q in:\n%s", want, &out)
	}
	assert.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(other), other), "somebody else's policy")
}

func TestAFinalizerGoesEvenWhereTheDesktopCannotBeToldTo(t *testing.T) {
	alive := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "desktops", Name: "ada", UID: "1", Finalizers: []string{v1alpha1.FinalizerCleanup}}}
	deleted := alive.DeepCopy()
	deleted.Name, deleted.UID, deleted.DeletionTimestamp = "bob", "2", &metav1.Time{Time: now}
	refusal := errors.New("Knative's webhook does not answer")
	c := fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(alive, deleted).WithStatusSubresource(alive).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, ok := o.(*servingv1.Service); ok {
				return refusal
			}
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
	var out bytes.Buffer
	err := uninstaller(c, &out).Run(t.Context())
	assert.ErrorIs(t, err, refusal, "said nothing of the desktops that may still run")
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(alive), alive))
	require.Empty(t, alive.Finalizers)
	assert.Equal(t, notServedMessage, alive.Status.Message, "finalizers")
	err = c.Get(t.Context(), client.ObjectKeyFromObject(deleted), deleted)
	require.NoError(t, client.IgnoreNotFound(err))
	assert.Error(t, err, "the deleted session is still there: %v", err)
}

func TestWhatIsSaidOfTemplatesIsWithdrawnWhereThatIsAllowed(t *testing.T) {
	u := uninstaller(fake.NewClientBuilder().WithScheme(scheme(t)).Build(), &bytes.Buffer{})
	called := 0
	for _, answer := range []error{nil, apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("vditemplates").GroupResource(), "kde", errors.New("no"))} {
		u.Withdraw = func(context.Context) error { called++; return answer }
		require.NoError(t, u.Run(t.Context()))
	}
	assert.Equal(t, 2, called)
	u.Withdraw = func(context.Context) error { return errors.New("the API server is away") }
	require.ErrorContains(t, u.Run(t.Context()), "withdraw from templates' status: the API server is away")
}

// The cluster has the namespaces of objects only as objects: one that is not among them is gone.
func TestNamespacesThatAreGoneKeepNothing(t *testing.T) {
	here := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "here"}}
	kept := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "here", Name: "ada", Finalizers: []string{v1alpha1.FinalizerCleanup}}}
	others := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: "elsewhere", Name: "ada", Finalizers: []string{v1alpha1.FinalizerCleanup}}}
	withoutRights := ""
	c := fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(here, kept, others).WithStatusSubresource(kept).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if ns := (&client.ListOptions{}).ApplyOptions(opts).Namespace; ns == "gone" || ns == withoutRights && ns != "" {
				return apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("vdisessions").GroupResource(), "", nil)
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
	var out bytes.Buffer
	u := uninstaller(c, &out)
	u.Namespaces = []string{"gone", "here"}
	for range 2 {
		require.NoError(t, u.Run(t.Context()), "%s", &out)
	}
	assert.Contains(t, out.String(), "Namespace gone does not exist")
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(kept), kept))
	assert.Empty(t, kept.Finalizers)

	u.Namespaces = []string{"gone"}
	require.NoError(t, u.Run(t.Context()), "%s", &out)
	require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(others), others))
	assert.NotEmpty(t, others.Finalizers, "none of its namespaces is there, and it took all of the cluster's")

	withoutRights, u.Namespaces = "here", []string{"here"}
	assert.ErrorContains(t, u.Run(t.Context()), "namespace here: the operator has no rights there: helm upgrade")
}
