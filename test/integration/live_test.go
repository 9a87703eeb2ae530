//go:build integration

package integration

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/controller/session"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/workload"
)

// wokenBehind is a desktop of each kind that runs since a pass whose cache is behind from then on:
// it has neither the record of the wake nor the pod.
type wokenBehind struct {
	*lag
	r *session.Reconciler
	s *v1alpha1.VDISession
	// deployment is what makes the desktop's pod.
	deployment *appsv1.Deployment
}

func onEachKind(t *testing.T, name string, test func(*testing.T, wokenBehind)) {
	t.Run("Deployment", func(t *testing.T) {
		l := &lag{}
		c := l.client()
		w := wokenBehind{lag: l, s: apartFrom(t, name+"-plain"), r: byHand(t, c, &workload.Deployment{Client: c, API: api})}
		w.wake(t)
		w.deployment = deploymentOf(t, api, w.s)
		test(t, w)
	})
	t.Run("Knative", func(t *testing.T) {
		l := &lag{}
		c := l.client()
		w := wokenBehind{lag: l, s: apartFrom(t, name+"-knative"), r: byHand(t, c, &workload.Knative{Client: c, API: api})}
		w.wake(t)
		w.deployment = rollOut(t, w.s)
		pass(t, w.r, w.s)
		test(t, w)
	})
}

func (w wokenBehind) wake(t *testing.T) {
	t.Helper()
	pass(t, w.r, w.s)
	visit(t, w.s)
	w.begins(t, w.s)
	pass(t, w.r, w.s)
}

// look is a pass that may meet the record that its cache does not have.
func (w wokenBehind) look(t *testing.T) {
	t.Helper()
	_ = pass(t, w.r, w.s)
}

// image is that of what the desktop's pods are made from.
func (w wokenBehind) image(t *testing.T) string {
	t.Helper()
	if _, plain := w.r.Workload.(*workload.Deployment); plain {
		return deploymentOf(t, api, w.s).Spec.Template.Spec.Containers[0].Image
	}
	return knativeService(t, w.s).Spec.Template.Spec.Containers[0].Image
}

func (w wokenBehind) edit(t *testing.T) {
	t.Helper()
	merge(t, newTemplate(w.s.Spec.Template), `{"spec":{"image":"dev.local/desktop:2"}}`)
}

func TestADesktopThatTheCacheDoesNotHaveIsNotReplacedByAnEdit(t *testing.T) {
	onEachKind(t, "unseen", func(t *testing.T, w wokenBehind) {
		was := w.image(t)
		startPod(t, w.s)
		w.edit(t)
		w.look(t)
		assert.Equal(t, was, w.image(t), "the desktop in use is replaced")
		require.NoError(t, hasScale(t, w.deployment, 1)())
		w.ends()
		w.look(t)
		awaitCondition(t, w.s, v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonWaitingForSleep)
	})
}

func TestAStartThatIsStuckByTheCacheOnlyIsNotReplacedByAnEdit(t *testing.T) {
	onEachKind(t, "freed", func(t *testing.T, w wokenBehind) {
		w.ends()
		was, pod := w.image(t), startPodOf(t, w.s, "")
		status := func(patch string) {
			require.NoError(t, api.Status().Patch(t.Context(), pod.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))))
		}
		status(`{"status":{"phase":"Pending","containerStatuses":null,"conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable"}]}}`)
		w.look(t)
		require.Equal(t, v1alpha1.ReasonWaitingForNode, get(t, w.s).Status.Waiting.Reason)
		w.begins(t, w.s)
		status(`{"status":{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True"}]}}`)
		w.edit(t)
		w.look(t)
		assert.Equal(t, was, w.image(t), "a start that goes on is replaced")
		require.NoError(t, hasScale(t, w.deployment, 1)())

		status(`{"status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable"}]}}`)
		w.look(t)
		assert.Equal(t, "dev.local/desktop:2", w.image(t), "a start that is stuck keeps what it is stuck in")
	})
}

// As a new leader has it whose cache is behind: of a session that sleeps, with what it runs on.
func TestADesktopThatSleepsByTheCacheOnlyIsNotStopped(t *testing.T) {
	onEachKind(t, "asleep", func(t *testing.T, w wokenBehind) {
		w.ends()
		require.NoError(t, patchSession(t, w.s, `{"spec":{"power":"Off"}}`))
		w.look(t)
		w.look(t)
		require.NoError(t, hasScale(t, w.deployment, 0)())
		require.NoError(t, patchSession(t, w.s, `{"spec":{"power":"OnDemand"}}`))
		w.look(t)
		w.begins(t, w.s)
		asleep := w.get
		w.ends()
		visit(t, w.s)
		w.look(t)
		require.NoError(t, hasScale(t, w.deployment, 1)())
		w.get, w.pods = asleep, &corev1.PodList{}
		startPod(t, w.s)
		w.look(t)
		require.NoError(t, hasScale(t, w.deployment, 1)(), "it is stopped in use")
		w.edit(t)
		w.look(t)
		assert.NoError(t, hasScale(t, w.deployment, 1)(), "it is taken away in use")
	})
}

// A start without a pod is stopped, changed and started, each once: it is not stuck while it is
// at zero, and somebody waits for it.
func TestAnEditMendsAStartWhosePodIsRefused(t *testing.T) {
	l := &lag{}
	c := l.client()
	w := wokenBehind{lag: l, s: apartFrom(t, "refused"), r: byHand(t, c, &workload.Deployment{Client: c, API: api})}
	w.wake(t)
	w.ends()
	d := deploymentOf(t, api, w.s)
	says := func(refused string) { // of what it has seen
		require.NoError(t, api.Status().Patch(t.Context(), d.DeepCopy(), client.RawPatch(types.MergePatchType, fmt.Appendf(nil,
			`{"status":{"observedGeneration":%d,"conditions":[{"type":"ReplicaFailure","status":%q,"reason":"FailedCreate","message":"exceeded quota"}]}}`,
			deploymentOf(t, api, w.s).Generation, refused))))
	}
	says("True")
	w.look(t)
	require.Equal(t, v1alpha1.ReasonPodNotCreated, get(t, w.s).Status.Waiting.Reason)
	was := w.image(t)
	w.edit(t)
	for _, notYet := range []func(){func() {}, func() { says("True") }} {
		notYet()
		w.look(t)
		w.look(t)
		require.NoError(t, hasScale(t, d, 0)(), "Kubernetes may still make a pod of the shape before")
		require.Equal(t, was, w.image(t))
		wantText(t, get(t, w.s).Status.Message, "The desktop's last start is ending", "exceeded quota")
	}
	says("False")
	eventually.Equal(t, "it is changed", "dev.local/desktop:2", func() string { w.look(t); return w.image(t) })
	require.NoError(t, hasScale(t, d, 0)(), "Kubernetes has not seen the change")
	says("False")
	eventually.NoError(t, "it starts", func() error { w.look(t); return hasScale(t, d, 1)() })
	started := deploymentOf(t, api, w.s).Generation
	w.look(t)
	assert.Equal(t, started, deploymentOf(t, api, w.s).Generation, "it is stopped again")
}
