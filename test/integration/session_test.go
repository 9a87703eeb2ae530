//go:build integration

package integration

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	netv1alpha1 "knative.dev/networking/pkg/apis/networking/v1alpha1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/token"
	"github.com/org/vdi-operator/pkg/workload"
)

func TestASessionThatSleepsIsItsHomeAndItsNameAndItsWakeMakesTheRest(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	now := awaitPhase(t, s, v1alpha1.PhaseAsleep)
	awaitCondition(t, s, v1alpha1.ConditionWorkloadApplied, metav1.ConditionTrue, v1alpha1.ReasonMadeAtWake)
	name := &corev1.Service{}
	eventually.NoError(t, "its name inside the cluster", func() error { return api.Get(t.Context(), client.ObjectKeyFromObject(s), name) })
	assert.Equal(t, config.Default().Activator.Host(), name.Spec.ExternalName)
	secret := &corev1.Secret{}
	tokens := types.NamespacedName{Namespace: ns, Name: "ada-turn"}
	always(t, "there is nothing else", func() error {
		for key, o := range map[types.NamespacedName]client.Object{client.ObjectKeyFromObject(s): &servingv1.Service{}, tokens: secret} {
			if err := api.Get(t.Context(), key, o); !apierrors.IsNotFound(err) {
				return fmt.Errorf("there is a %T (%w)", o, err)
			}
		}
		return nil
	})
	assert.Equal(t, "https://ada--"+ns+".vdi.example.com/", now.Status.URL, "url")
	require.NotNil(t, now.Status.Lifecycle)
	assert.Equal(t, 30*time.Minute, now.Status.Lifecycle.IdleTimeout.OrZero(),
		"lifecycle %+v, want the configuration's idle timeout", now.Status.Lifecycle)
	require.NotNil(t, now.Status.Streaming)
	assert.EqualValues(t, 8080, now.Status.Streaming.Port, "streaming %+v, want the template's", now.Status.Streaming)
	awaitCondition(t, s, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAsleep)

	home := &corev1.PersistentVolumeClaim{}
	require.NoError(t, api.Get(t.Context(), types.NamespacedName{Namespace: ns, Name: workload.HomeName(s.Spec.User, s.Spec.Template)}, home))
	require.Equal(t, "ada", home.Annotations[v1alpha1.AnnotationHeldBy])
	assert.Empty(t, home.OwnerReferences, "home %v is to be held by the session and owned by nobody", home.Annotations)
	woken(t, s)
	service := knativeService(t, s)
	assert.True(t, metav1.IsControlledBy(service, get(t, s)), "the Knative Service does not belong to the session")
	err := api.Get(t.Context(), client.ObjectKeyFromObject(s), &corev1.Service{})
	assert.True(t, apierrors.IsNotFound(err), "Knative's route cannot have the name: %v", err)
	require.NoError(t, api.Get(t.Context(), tokens, secret))
	for key, audience := range map[string]token.Audience{workload.TokenKey: token.AudienceTURN, workload.AgentTokenKey: token.AudienceAgent} {
		subject, _, err := verifier.Verify(audience, string(secret.Data[key]), time.Now())
		require.NoError(t, err)
		require.NoError(t, subject.Opens(now))
	}
}

func TestAMissingTemplateIsWaitedFor(t *testing.T) {
	ns := space(t)
	s := newSession(ns, "early", ns)
	require.NoError(t, api.Create(t.Context(), s))
	c := awaitCondition(t, s, v1alpha1.ConditionTemplateResolved, metav1.ConditionFalse, v1alpha1.ReasonTemplateNotFound)
	awaitCondition(t, s, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTemplateNotFound)
	wantText(t, c.Message, ns, "does not exist")
	awaitPhase(t, s, v1alpha1.PhasePending)

	require.NoError(t, api.Create(t.Context(), newTemplate(ns)))
	awaitCondition(t, s, v1alpha1.ConditionTemplateResolved, metav1.ConditionTrue, v1alpha1.ReasonTemplateFound)
	woken(t, s)
}

func TestAVisitWakesADesktopAndItsClockPutsItToSleep(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	deployment := woken(t, s)
	now := awaitPhase(t, s, v1alpha1.PhaseCreating)
	require.NotNil(t, now.Status.StartTime)
	if w := now.Status.Waiting; w == nil || w.Reason != v1alpha1.ReasonWaking || w.Since.IsZero() {
		t.Errorf("a desktop that starts says what it waits for: %+v", w)
	}
	pod := startPod(t, s)
	now = awaitPhase(t, s, v1alpha1.PhaseRunning)
	require.NotNil(t, now.Status.ReadyTime)
	require.Equal(t, pod.Name, now.Status.PodName)
	assert.Nil(t, now.Status.Waiting, "a running desktop has a ready time and a pod, and waits for nothing: %+v", now.Status)

	require.NoError(t, patchSession(t, s, `{"spec":{"timeout":"10s"}}`))
	eventually.NoError(t, "the deployment scaled down", hasScale(t, deployment, 0))
	require.NoError(t, api.Delete(t.Context(), pod))
	now = awaitPhase(t, s, v1alpha1.PhaseAsleep)
	require.Equal(t, v1alpha1.ReasonMaxDuration, now.Status.SleepReason)
	require.Nil(t, now.Status.StartTime)
	assert.Empty(t, now.Status.PodName, "after its sleep: %+v", now.Status)
	require.NotNil(t, now.Status.Activity)
	assert.NotNil(t, now.Status.Activity.LastWakeTime, "the operator took the activators' activity away")
	// What was reported of the connection that the sleep cut does not wake it again.
	patch := fmt.Sprintf(`{"status":{"activity":{"lastConnectedTime":%q}}}`, time.Now().UTC().Format(metav1.RFC3339Micro))
	require.NoError(t, api.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))))
	always(t, "stays asleep", hasScale(t, deployment, 0))
}

func TestActivityIsNeverOverwritten(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	const viewer = `{"status":{"activity":{"viewer":{"page":"00112233445566778899aabbccddeeff","since":"2030-01-01T12:00:00.000000Z","replica":"a"}}}}`
	require.NoError(t, api.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(viewer))))
	// Reports and the operator's own writes run against each other.
	var last string
	for i := range 20 {
		last = time.Now().UTC().Format(metav1.RFC3339Micro)
		patch := fmt.Sprintf(`{"status":{"activity":{"lastWakeTime":%q,"lastConnectedTime":%q,"lastInputTime":%q}}}`, last, last, last)
		require.NoError(t, api.Status().Patch(t.Context(), s.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))))
		power := []v1alpha1.Power{v1alpha1.PowerOff, v1alpha1.PowerOnDemand}[i%2]
		require.NoError(t, patchSession(t, s, fmt.Sprintf(`{"spec":{"power":%q}}`, power)))
	}
	v := get(t, s).Status.Activity.Viewer
	require.NotNil(t, v)
	require.Equal(t, "00112233445566778899aabbccddeeff", v.Page)
	assert.Equal(t, "a", v.Replica, "the viewer became %+v", v)
	always(t, "the last report stays", func() error {
		if got := get(t, s).Status.Activity.LastInputTime.UTC().Format(metav1.RFC3339Micro); got != last {
			return fmt.Errorf("lastInputTime %s, want %s", got, last)
		}
		return nil
	})
}

func TestAChangeWaitsUntilALiveDesktopSleeps(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	deployment := woken(t, s)
	pod := startPod(t, s)
	awaitPhase(t, s, v1alpha1.PhaseRunning)
	before := knativeService(t, s)

	template := newTemplate(ns)
	merge(t, template, `{"spec":{"image":"dev.local/desktop:2"}}`)
	awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSleep)
	require.Equal(t, before.Generation, knativeService(t, s).Generation, "a live desktop's Service was changed")
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	stopped(t, deployment)
	require.NoError(t, api.Delete(t.Context(), pod))
	awaitCondition(t, s, v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonUpToDate)
	eventually.NoError(t, "what is stale goes", func() error { return absent(t, &servingv1.Service{ObjectMeta: s.ObjectMeta}) })
	require.NoError(t, api.Delete(t.Context(), deployment)) // as Kubernetes' garbage collector does
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	assert.Equal(t, "dev.local/desktop:2", knativeService(t, s).Spec.Template.Spec.Containers[0].Image, "image after the sleep")
}

func TestAChangeTouchesNoSleepingSessionAndTheNextWakeHasIt(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	deployment := woken(t, s)
	pod := startPod(t, s)
	awaitPhase(t, s, v1alpha1.PhaseRunning)
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	stopped(t, deployment)
	require.NoError(t, api.Delete(t.Context(), pod))
	awaitCondition(t, s, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPoweredOff)
	kept := knativeService(t, s)
	eventually.NoError(t, "it has come to rest", func() error {
		if now := get(t, s); now.Status.PodName != "" || now.Status.Message != "Switched off: set spec.power to OnDemand to let a visit wake it." {
			return errors.New(now.Status.Message)
		}
		return nil
	})
	always(t, "what fits is kept", func() error {
		now := knativeService(t, s)
		if now.UID != kept.UID || now.Generation != kept.Generation || !now.DeletionTimestamp.IsZero() {
			return fmt.Errorf("%+v", now.ObjectMeta)
		}
		return nil
	})
	before := get(t, s).ResourceVersion
	merge(t, newTemplate(ns), `{"spec":{"image":"dev.local/desktop:2"}}`)
	eventually.NoError(t, "what is stale goes", func() error { return absent(t, &servingv1.Service{ObjectMeta: s.ObjectMeta}) })
	always(t, "nothing is written to it", func() error {
		if now := get(t, s).ResourceVersion; now != before {
			return fmt.Errorf("version %s, was %s", now, before)
		}
		return nil
	})
	require.NoError(t, api.Delete(t.Context(), deployment)) // as Kubernetes' garbage collector does
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	assert.Equal(t, "dev.local/desktop:2", knativeService(t, s).Spec.Template.Spec.Containers[0].Image)
}

func TestPowerDecidesOverVisits(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	awaitPhase(t, s, v1alpha1.PhaseAsleep)
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"AlwaysOn"}}`))
	deployment := rollOut(t, s)
	eventually.NoError(t, "always on runs without a visit", hasScale(t, deployment, 1))
	require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
	eventually.NoError(t, "off sleeps", hasScale(t, deployment, 0))
	awaitCondition(t, s, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPoweredOff)
	visit(t, s)
	always(t, "a visit does not wake what is off", hasScale(t, deployment, 0))
}

func TestAHomeIsUsedByOneSessionAtATimeAndComesBack(t *testing.T) {
	ns := space(t)
	first := given(t, ns, "first")
	awaitCondition(t, first, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeHeld)
	second := given(t, ns, "second")
	c := awaitCondition(t, second, v1alpha1.ConditionHomeReady, metav1.ConditionFalse, v1alpha1.ReasonHomeInUse)
	wantText(t, c.Message, `"first"`, "Delete that session", "persistence.enabled")
	visit(t, second)
	always(t, "the second session has no workload", func() error { return absent(t, &servingv1.Service{ObjectMeta: second.ObjectMeta}) })
	require.NoError(t, api.Delete(t.Context(), first))
	awaitCondition(t, second, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeHeld)
	knativeService(t, second)
}

func TestADeletedSessionLeavesNothingButItsHome(t *testing.T) {
	for _, policy := range []v1alpha1.ReclaimPolicy{v1alpha1.ReclaimRetain, v1alpha1.ReclaimDelete} {
		t.Run(string(policy), func(t *testing.T) {
			ns := space(t)
			s := givenDeleting(t, ns, "ada", policy)
			visit(t, s)
			knativeService(t, s)
			awaitCondition(t, s, v1alpha1.ConditionHomeReady, metav1.ConditionTrue, v1alpha1.ReasonHomeHeld)
			pod := startPod(t, s)

			require.NoError(t, api.Delete(t.Context(), s))
			now := awaitPhase(t, s, v1alpha1.PhaseTerminating)
			eventually.NoError(t, "says that it waits for the pod", func() error {
				if now = get(t, s); now.Status.Message != fmt.Sprintf("Waiting for pod %q to be gone.", pod.Name) {
					return errors.New(now.Status.Message)
				}
				return nil
			})
			require.NoError(t, api.Delete(t.Context(), pod))
			eventually.NoError(t, "the session is gone", func() error {
				err := api.Get(t.Context(), client.ObjectKeyFromObject(s), &v1alpha1.VDISession{})
				if apierrors.IsNotFound(err) {
					return nil
				}
				return fmt.Errorf("still there (%w)", err)
			})
			require.NoError(t, absent(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: workload.TokenSecretName(s.Name)}}),
				"nobody collects garbage here")
			home := &corev1.PersistentVolumeClaim{}
			err := api.Get(t.Context(), types.NamespacedName{Namespace: ns, Name: workload.HomeName(s.Spec.User, s.Spec.Template)}, home)
			switch policy {
			case v1alpha1.ReclaimRetain:
				require.NoError(t, err)
				assert.Empty(t, home.Annotations[v1alpha1.AnnotationHeldBy], "a retained home is there and free, %v", home.Annotations)
			case v1alpha1.ReclaimDelete:
				// The API server's protection keeps it until kube-controller-manager looks.
				assert.False(t, err == nil && home.DeletionTimestamp.IsZero(), "the home was not deleted")
			}
		})
	}
}

func TestAnIngressOfOurClassIsReadyAtTheActivator(t *testing.T) {
	ns := space(t)
	ing := &netv1alpha1.Ingress{ObjectMeta: metav1.ObjectMeta{
		Namespace: ns, Name: "ada", Annotations: map[string]string{"networking.knative.dev/ingress.class": v1alpha1.IngressClass},
	}}
	other := ing.DeepCopy()
	other.Name, other.Annotations = "other", map[string]string{"networking.knative.dev/ingress.class": "someone.else"}
	require.NoError(t, api.Create(t.Context(), other))
	require.NoError(t, api.Create(t.Context(), ing))
	eventually.NoError(t, "the Ingress is ready", func() error {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(ing), ing); err != nil {
			return err
		}
		if !ing.IsReady() {
			return fmt.Errorf("status %+v", ing.Status)
		}
		return nil
	})
	assert.Equal(t, config.Default().Activator.Host(), ing.Status.PrivateLoadBalancer.Ingress[0].DomainInternal, "load balancer")
	require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(other), other))
	assert.EqualValues(t, 0, other.Status.ObservedGeneration, "an Ingress of another class was written")
}
