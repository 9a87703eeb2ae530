//go:build integration

package integration

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/apitest"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/workload"
)

// deploymentOf waits for the session's own Deployment.
func deploymentOf(t *testing.T, c client.Client, s *v1alpha1.VDISession) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{}
	eventually.NoError(t, "a Deployment", func() error { return c.Get(t.Context(), client.ObjectKeyFromObject(s), d) })
	return d
}

// gone waits until an object of the session's name is not there.
func gone(t *testing.T, s *v1alpha1.VDISession, o client.Object) {
	t.Helper()
	eventually.NoError(t, fmt.Sprintf("%T %s to be gone", o, s.Name), func() error {
		err := api.Get(t.Context(), client.ObjectKeyFromObject(s), o)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("still there (%w)", err)
	})
}

// collect does what Kubernetes' garbage collector does for a Deployment that waits for
// its pods.
func collect(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	eventually.NoError(t, "the Deployment to be deleted", func() error {
		require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(d), d))
		if d.DeletionTimestamp.IsZero() {
			return errors.New("it is not")
		}
		return nil
	})
	merge(t, d, `{"metadata":{"finalizers":null}}`)
}

// Kubernetes' garbage collector may be late: what is left of a deleted session of this name is
// nobody's, and the next session does not wait for it.
func TestASessionStartsUnderANameWhoseFormerSessionIsNotCollectedYet(t *testing.T) {
	for name, knative := range map[string]bool{"former": false, "former-knative": true} {
		t.Run(name, func(t *testing.T) {
			install(t, cluster, api, name).run(knative)
			meta := func(object string) metav1.ObjectMeta {
				return metav1.ObjectMeta{Namespace: name, Name: object, Labels: map[string]string{v1alpha1.LabelSession: "ada"}, OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(),
					Kind: v1alpha1.KindSession, Name: "ada", UID: "a-former-life", Controller: new(true)}}}
			}
			left := []client.Object{&corev1.Secret{ObjectMeta: meta(workload.TokenSecretName("ada")), Data: map[string][]byte{workload.TokenKey: []byte("of the former")}}}
			if knative {
				left = append(left, &servingv1.Service{ObjectMeta: meta("ada"), Spec: servingv1.ServiceSpec{ConfigurationSpec: servingv1.ConfigurationSpec{
					Template: servingv1.RevisionTemplateSpec{Spec: servingv1.RevisionSpec{PodSpec: corev1.PodSpec{Containers: []corev1.Container{{Image: "a"}}}}}}}})
			} else {
				labels := map[string]string{"a": "b"}
				left = append(left, &corev1.Service{ObjectMeta: meta("ada"), Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "elsewhere.example.com"}},
					&appsv1.Deployment{ObjectMeta: meta("ada"), Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels},
						Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}}})
			}
			for _, o := range left {
				require.NoError(t, api.Create(t.Context(), o))
			}
			s := given(t, name, "ada")
			visit(t, s)
			for _, o := range left {
				eventually.NoError(t, fmt.Sprintf("%T of the new session", o), func() error {
					if err := api.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
						return err
					}
					if !metav1.IsControlledBy(o, get(t, s)) {
						return fmt.Errorf("it is of %v", o.GetOwnerReferences())
					}
					return nil
				})
			}
			assert.NotEqual(t, "of the former", string(left[0].(*corev1.Secret).Data[workload.TokenKey]))
		})
	}
}

func TestWithoutKnativeASessionIsADeploymentAndAServiceThatWakeAndSleep(t *testing.T) {
	in := install(t, cluster, api, "plain")
	in.run(false)
	s := given(t, "plain", "ada")
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonUpToDate)
	require.NoError(t, absent(t, &appsv1.Deployment{ObjectMeta: s.ObjectMeta}))
	service := &corev1.Service{}
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(s), service))
	require.Equal(t, corev1.ServiceTypeExternalName, service.Spec.Type)
	assert.Equal(t, "vdi-activator-internal.vdi-system.svc.cluster.local", service.Spec.ExternalName,
		"the session's in-cluster name leads to %+v", service.Spec)
	visit(t, s)
	d := deploymentOf(t, api, s)
	for _, o := range []client.Object{d, service} {
		assert.True(t, metav1.IsControlledBy(o, get(t, s)), "%T does not belong to the session", o)
	}

	require.NoError(t, hasScale(t, d, 1)(), "it is made with a pod from the start")
	pod := startPod(t, s)
	awaitPhase(t, s, v1alpha1.PhaseRunning)

	merge(t, newTemplate("plain"), `{"spec":{"image":"dev.local/desktop:2"}}`)
	awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSleep)
	if now := deploymentOf(t, api, s); now.Generation != 1 || now.Spec.Template.Spec.Containers[0].Image != "dev.local/desktop:1" {
		t.Errorf("a live desktop's Deployment was changed: generation %d", now.Generation)
	}
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	eventually.NoError(t, "the desktop scaled down", hasScale(t, d, 0))
	always(t, "it stays while its pod ends", func() error { return api.Get(t.Context(), client.ObjectKeyFromObject(d), d) })
	require.NoError(t, api.Delete(t.Context(), service))
	eventually.NoError(t, "a Service that was deleted comes back", func() error { return api.Get(t.Context(), client.ObjectKeyFromObject(s), service) })

	foreign := d.DeepCopy()
	require.NoError(t, api.Delete(t.Context(), s))
	collect(t, d)
	eventually.NoError(t, "says that it waits for the pod", func() error {
		if now := get(t, s); now.Status.Message != fmt.Sprintf("Waiting for pod %q to be gone.", pod.Name) {
			return errors.New(now.Status.Message)
		}
		return nil
	})
	require.NoError(t, api.Delete(t.Context(), pod))
	gone(t, s, &v1alpha1.VDISession{})
	gone(t, s, &corev1.Service{})

	for kind, o := range map[string]client.Object{
		"Deployment": foreign,
		"Service": &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "plain"},
			Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "elsewhere.example.com"}},
	} {
		foreign := o.DeepCopyObject().(client.Object)
		foreign.SetName("theirs-" + string(kind[0]|0x20))
		foreign.SetResourceVersion("")
		foreign.SetUID("")
		foreign.SetOwnerReferences(nil)
		foreign.SetFinalizers(nil)
		foreign.SetDeletionTimestamp(nil)
		foreign.SetLabels(nil)
		require.NoError(t, api.Create(t.Context(), foreign))
		clash := given(t, "plain", foreign.GetName())
		require.NoError(t, patchSession(t, clash, `{"spec":{"persistence":{"enabled":false}}}`))
		visit(t, clash)
		c := awaitCondition(t, clash, v1alpha1.ConditionWorkloadApplied, metav1.ConditionFalse, v1alpha1.ReasonRefused)
		wantText(t, c.Message, kind, "belongs to somebody else", "choose another name")
		require.NoError(t, api.Delete(t.Context(), clash))
		gone(t, clash, &v1alpha1.VDISession{})
		require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(foreign), foreign))
		assert.True(t, foreign.GetDeletionTimestamp().IsZero(), "the %s of somebody else was deleted", kind)
	}
}

func TestAnInstallationChangesOverAndBackWithoutRestartingAnybodyOrLosingAHome(t *testing.T) {
	in := install(t, cluster, api, "changing")
	in.run(true)
	foreign := &servingv1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "changing", Name: "theirs"}, Spec: servingv1.ServiceSpec{
		ConfigurationSpec: servingv1.ConfigurationSpec{Template: servingv1.RevisionTemplateSpec{Spec: servingv1.RevisionSpec{
			PodSpec: corev1.PodSpec{Containers: []corev1.Container{{Image: "dev.local/theirs:1"}}}}}}}}
	require.NoError(t, api.Create(t.Context(), foreign))
	clash := given(t, "changing", "theirs")
	visit(t, clash)
	c := awaitCondition(t, clash, v1alpha1.ConditionWorkloadApplied, metav1.ConditionFalse, v1alpha1.ReasonRefused)
	wantText(t, c.Message, "Knative Service", "belongs to somebody else", "choose another name")
	require.NoError(t, api.Delete(t.Context(), clash))
	gone(t, clash, &v1alpha1.VDISession{})
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(foreign), foreign), "the Knative Service of somebody else")
	s := given(t, "changing", "ada")
	revision := woken(t, s)
	home := func() types.UID {
		claim := &corev1.PersistentVolumeClaim{}
		home := types.NamespacedName{Namespace: s.Namespace, Name: workload.HomeName(s.Spec.User, s.Spec.Template)}
		require.NoError(t, api.Get(t.Context(), home, claim))
		assert.Equal(t, "ada", claim.Annotations[v1alpha1.AnnotationHeldBy], "the home is held")
		return claim.UID
	}
	before := home()
	pod := startPod(t, s)
	awake := awaitPhase(t, s, v1alpha1.PhaseRunning)
	none := func(o client.Object) func() error {
		return func() error {
			if err := api.Get(t.Context(), client.ObjectKeyFromObject(s), o); !apierrors.IsNotFound(err) {
				return fmt.Errorf("there is a %T (%w)", o, err)
			}
			return nil
		}
	}
	stays := func(what string, there, other client.Object) {
		t.Helper()
		c := awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSleep)
		wantText(t, c.Message, what, "when it next wakes")
		always(t, "the live desktop stays as it is", func() error {
			require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(s), there))
			if now := get(t, s); !there.GetDeletionTimestamp().IsZero() || now.Status.Phase != v1alpha1.PhaseRunning || !now.Status.StartTime.Equal(awake.Status.StartTime) {
				return fmt.Errorf("phase %s, %v", now.Status.Phase, there.GetDeletionTimestamp())
			}
			return none(other)()
		})
	}

	in.run(false)
	stays(`Knative Service "ada"`, &servingv1.Service{}, &appsv1.Deployment{})
	require.NoError(t, hasScale(t, revision, 1)())
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	gone(t, s, &servingv1.Service{})
	// Somebody comes while the old pod is still there.
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	eventually.NoError(t, "it wakes", func() error {
		if get(t, s).Status.StartTime == nil {
			return errors.New("it does not")
		}
		return nil
	})
	always(t, "no second workload beside the old one's deployment", none(&appsv1.Deployment{}))
	require.NoError(t, api.Delete(t.Context(), revision))
	always(t, "nor beside its pod", none(&appsv1.Deployment{}))
	require.NoError(t, api.Delete(t.Context(), pod))
	plain := deploymentOf(t, api, s)
	eventually.NoError(t, "then it is started", hasScale(t, plain, 1))
	pod = startPod(t, s)
	awake = awaitPhase(t, s, v1alpha1.PhaseRunning)
	awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonUpToDate)
	assert.Equal(t, before, home(), "it has another home")

	in.run(true)
	stays(`Deployment "ada"`, &appsv1.Deployment{}, &servingv1.Service{})
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	gone(t, s, &corev1.Service{})
	always(t, "no Knative Service beside the Deployment", none(&servingv1.Service{}))
	collect(t, plain)
	always(t, "nor beside its pod", none(&servingv1.Service{}))
	require.NoError(t, api.Delete(t.Context(), pod))
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	knativeService(t, s)
	awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonUpToDate)
	assert.Equal(t, before, home(), "it has another home")
}

func TestInstallationsLiveSideBySideInNamespacesOfTheirOwn(t *testing.T) {
	mine, theirs := install(t, cluster, api, "mine", "plain"), install(t, cluster, api, "theirs")
	mine.run(false)
	theirs.run(true)
	here, there, nobodys := given(t, "mine", "ada"), given(t, "theirs", "ada"), newSession("nobodys", "ada", "mine")
	require.NoError(t, api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: nobodys.Namespace}}))
	require.NoError(t, api.Create(t.Context(), nobodys))

	awaitPhase(t, here, v1alpha1.PhaseAsleep)
	visit(t, here)
	eventually.NoError(t, "the desktop scaled up", hasScale(t, deploymentOf(t, api, here), 1))
	woken(t, there)
	visit(t, nobodys)
	always(t, "what is in nobody's namespace is touched by nobody", func() error {
		if now := get(t, nobodys); len(now.Finalizers) > 0 || now.Status.ObservedGeneration != 0 {
			return fmt.Errorf("finalizers %v, status %+v", now.Finalizers, now.Status)
		}
		return nil
	})
	for _, in := range []*operatorProgram{mine, theirs} {
		eventually.NoError(t, "one session is counted", func() error {
			n, err := in.sessions()
			if err == nil && n != 1 {
				err = fmt.Errorf("%d are", n)
			}
			return err
		})
	}
	eventually.NoError(t, "both say in the template's status what they know", func() error {
		has := map[string]int32{}
		for _, e := range statusOf(t, "mine").Installations {
			has[e.Name] = e.Sessions.Awake
		}
		if awake, says := has["theirs/vdi"]; !says || awake != 0 || has["mine/vdi"] != 1 {
			return fmt.Errorf("awake: %v", has)
		}
		return nil
	})
	// Indexes serve confined installations, too: a template's change finds its sessions.
	merge(t, newTemplate("mine"), `{"spec":{"image":"dev.local/desktop:2"}}`)
	awaitCondition(t, here, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSleep)
}

func TestAClusterWithoutKnativesDefinitionsWillDo(t *testing.T) {
	env, err := apitest.Start(definitionsOfOurs)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, env.Stop()) })
	c, err := client.New(env.Config, client.Options{Scheme: api.Scheme()})
	require.NoError(t, err)
	in := install(t, env, c, "plain")
	in.run(false)
	require.NoError(t, c.Create(t.Context(), newTemplate("plain")))
	s := newSession("plain", "ada", "plain")
	s.Spec.Power = v1alpha1.PowerAlwaysOn
	require.NoError(t, c.Create(t.Context(), s))
	d := deploymentOf(t, c, s)
	eventually.NoError(t, "it runs", func() error {
		require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(d), d))
		if *d.Spec.Replicas != 1 {
			return fmt.Errorf("%d replicas", *d.Spec.Replicas)
		}
		return nil
	})
	require.NoError(t, c.Delete(t.Context(), s))
	eventually.NoError(t, "it goes", func() error {
		require.NoError(t, c.Get(t.Context(), client.ObjectKeyFromObject(d), d))
		if d.DeletionTimestamp.IsZero() {
			return errors.New("it is not deleted")
		}
		return nil
	})
	require.NoError(t, c.Patch(t.Context(), d, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))
	eventually.NoError(t, "the session is gone", func() error {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(s), s); !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there (%w)", err)
		}
		return nil
	})
}
