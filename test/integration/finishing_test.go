//go:build integration

package integration

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/lifecycle"
)

// ends lets a pod end and take its time: it stays until the returned function is called.
func ends(t *testing.T, pod *corev1.Pod) (ended func()) {
	t.Helper()
	merge(t, pod, `{"metadata":{"finalizers":["vdi.kasm.io/test"]}}`)
	require.NoError(t, api.Delete(t.Context(), pod, client.GracePeriodSeconds(60)))
	return func() {
		require.NoError(t, api.Delete(t.Context(), pod, client.GracePeriodSeconds(0))) // as kubelet does
		merge(t, pod, `{"metadata":{"finalizers":null}}`)
	}
}

// staysAtZero wants an awake desktop not to start beside a pod that ends, to say so, and to
// start when that is gone.
func staysAtZero(t *testing.T, s *v1alpha1.VDISession, d *appsv1.Deployment, ended func()) {
	t.Helper()
	visit(t, s)
	c := awaitCondition(t, s, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonHomeFinishing)
	wantText(t, c.Message, "The last use of the home is ending")
	w := get(t, s).Status.Waiting
	require.NotNil(t, w)
	require.NotNil(t, w.Until, "when it is over")
	assert.Less(t, time.Until(w.Until.Time), time.Minute+time.Second)
	always(t, "no second pod writes to the home", hasScale(t, d, 0))
	before := get(t, s).ResourceVersion
	always(t, "nothing more is written", func() error {
		if now := get(t, s).ResourceVersion; now != before {
			return fmt.Errorf("version %s, was %s", now, before)
		}
		return nil
	})
	ended()
	eventually.NoError(t, "the desktop starts when its home is free", hasScale(t, d, 1))
	eventually.NoError(t, "and says so", func() error {
		if w := get(t, s).Status.Waiting; w == nil || w.Reason == v1alpha1.ReasonHomeFinishing {
			return errors.New("it still waits for its home")
		}
		return nil
	})
}

func TestADesktopDoesNotStartBesideAPodThatStillHasItsHome(t *testing.T) {
	for name, begin := range map[string]func(*testing.T) (*v1alpha1.VDISession, *appsv1.Deployment){
		"with Knative": func(t *testing.T) (*v1alpha1.VDISession, *appsv1.Deployment) {
			s := given(t, space(t), "ada")
			return s, woken(t, s)
		},
		"without": func(t *testing.T) (*v1alpha1.VDISession, *appsv1.Deployment) {
			in := install(t, cluster, api, "finishing")
			in.run(false)
			s := given(t, "finishing", "ada")
			visit(t, s)
			return s, deploymentOf(t, api, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := begin(t)
			t.Run("its own, of before", func(t *testing.T) {
				eventually.NoError(t, "the desktop starts", hasScale(t, d, 1))
				pod := startPod(t, s)
				awaitPhase(t, s, v1alpha1.PhaseRunning)
				require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
				eventually.NoError(t, "the desktop sleeps", hasScale(t, d, 0))
				ended := ends(t, pod)
				require.NoError(t, patchSession(t, s, `{"spec":{"power":"OnDemand"}}`))
				staysAtZero(t, s, d, ended)
			})
			t.Run("its own, of which Kubernetes has not learnt yet that it is to end", func(t *testing.T) {
				pod := startPod(t, s)
				awaitPhase(t, s, v1alpha1.PhaseRunning)
				require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
				eventually.NoError(t, "the desktop sleeps", hasScale(t, d, 0))
				require.NoError(t, patchSession(t, s, `{"spec":{"power":"OnDemand"}}`))
				visit(t, s)
				awaitCondition(t, s, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonHomeFinishing)
				always(t, "nobody is let into the pod that ends", func() error {
					now := get(t, s)
					if now.Status.Phase == v1alpha1.PhaseRunning || now.Status.PodName != "" || !lifecycle.Finishing(now) {
						return fmt.Errorf("it is %s in pod %q, and waits for %+v", now.Status.Phase, now.Status.PodName, now.Status.Waiting)
					}
					return hasScale(t, d, 0)()
				})
				ends(t, pod)()
				eventually.NoError(t, "the desktop starts when its pod has ended", hasScale(t, d, 1))
			})
			require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
			eventually.NoError(t, "the desktop sleeps", hasScale(t, d, 0))
			require.NoError(t, patchSession(t, s, `{"spec":{"power":"OnDemand"}}`))
			t.Run("another session's", func(t *testing.T) {
				other := newSession(s.Namespace, "other", s.Spec.Template)
				first, second := ends(t, startPodOf(t, other, anyNode)), ends(t, startPodOf(t, other, anyNode))
				staysAtZero(t, s, d, func() { first(); second() })
			})
		})
	}
}
