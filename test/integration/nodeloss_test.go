//go:build integration

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	autoscalingv1alpha1 "knative.dev/serving/pkg/apis/autoscaling/v1alpha1"
	"knative.dev/serving/pkg/apis/serving"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/workload"
	"github.com/org/vdi-operator/test/docs"
)

// losesNode does what Kubernetes' controller of nodes does to a pod of a node that does not
// answer, after an activator has reached it.
func losesNode(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"ContainersReady","status":"True"},{"type":"Ready","status":"False","lastTransitionTime":%q}]}}`,
		time.Now().Add(time.Second).UTC().Format(time.RFC3339)) // full seconds
	require.NoError(t, api.Status().Patch(t.Context(), pod.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))))
}

// isGivenUp does what its taint manager does then. No kubelet ends the pod.
func isGivenUp(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	require.NoError(t, api.Delete(t.Context(), pod, client.GracePeriodSeconds(30)))
}

// isCollected does what its garbage collector of pods does when the node is said to be off, or
// is gone.
func isCollected(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	require.NoError(t, api.Delete(t.Context(), pod, client.GracePeriodSeconds(0)))
}

// startsAnew does what a ReplicaSet does: a pod that is not there yet, and has the deployment's
// volumes.
func startsAnew(t *testing.T, s *v1alpha1.VDISession, d *appsv1.Deployment) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, GenerateName: s.Name + "-", Labels: workload.Labels(s)},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: new(int64(0)), Volumes: d.Spec.Template.Spec.Volumes,
			Containers: []corev1.Container{{Name: v1alpha1.ContainerDesktop, Image: "dev.local/desktop:1"}}},
	}
	require.NoError(t, api.Create(t.Context(), pod))
	go func() { // It goes as soon as it is not wanted.
		for context.Cause(t.Context()) == nil {
			if n, err := scaleOf(t.Context(), d); err == nil && n == 0 {
				_ = api.Delete(t.Context(), pod)
				return
			}
			time.Sleep(glance)
		}
	}()
}

// kinds are what a desktop runs on: what makes a session in a namespace and wakes it.
func kinds(namespace string) map[string]func(*testing.T) (*v1alpha1.VDISession, *appsv1.Deployment) {
	return map[string]func(*testing.T) (*v1alpha1.VDISession, *appsv1.Deployment){
		"with Knative": func(t *testing.T) (*v1alpha1.VDISession, *appsv1.Deployment) {
			s := given(t, space(t), "ada")
			return s, woken(t, s)
		},
		"without": func(t *testing.T) (*v1alpha1.VDISession, *appsv1.Deployment) {
			in := install(t, cluster, api, namespace)
			in.run(false)
			s := given(t, namespace, "ada")
			visit(t, s)
			return s, deploymentOf(t, api, s)
		},
	}
}

func TestADesktopWhoseNodeIsLostSaysSoAndStartsElsewhereOnceItsHomeIsFree(t *testing.T) {
	for name, begin := range kinds("lost") {
		t.Run(name, func(t *testing.T) {
			s, d := begin(t)
			eventually.NoError(t, "the desktop starts", hasScale(t, d, 1))
			pod := startPodOn(t, s, "n-1")
			awaitPhase(t, s, v1alpha1.PhaseRunning)
			claim := homeOf(s)
			merge(t, claim, `{"spec":{"volumeName":"pv-1"}}`)
			merge(t, pod, `{"spec":{"tolerations":[`+
				`{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":60},`+
				`{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":60}]}}`)
			losesNode(t, pod)
			c := awaitCondition(t, s, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeLost)
			wantText(t, c.Message, "The desktop's node is lost: pod "+pod.Name+" on node n-1", "Kubernetes deletes the pod")
			now := get(t, s)
			require.Equal(t, v1alpha1.PhaseCreating, now.Status.Phase)
			require.NotNil(t, now.Status.Waiting)
			require.NotNil(t, now.Status.Waiting.Until, "when it is given up")
			assert.InDelta(t, 60, time.Until(now.Status.Waiting.Until.Time).Seconds(), 15)
			assert.NotNil(t, now.Status.ReadyTime, "nothing is started yet, so no start can fail")
			always(t, "it may come back", hasScale(t, d, 1))

			isGivenUp(t, pod)
			startsAnew(t, s, d)
			eventually.NoError(t, "no second pod writes to the home", hasScale(t, d, 0))
			eventually.NoError(t, "it says what keeps the home", func() error {
				if w := get(t, s).Status.Waiting; w == nil || w.Reason != v1alpha1.ReasonNodeLost || w.Until != nil {
					return fmt.Errorf("it waits for %+v", w)
				}
				return nil
			})
			wantText(t, get(t, s).Status.Waiting.Detail, "pod "+pod.Name+" on node n-1", "PersistentVolumeClaim "+claim.Name+" (PersistentVolume pv-1)",
				"kubectl vdi out-of-service n-1 --powered-off", "kubectl taint nodes n-1 node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")
			always(t, "it stays so", hasScale(t, d, 0))

			isCollected(t, pod)
			eventually.NoError(t, "the desktop starts elsewhere", hasScale(t, d, 1))
			startPodOn(t, s, "n-2")
			awaitPhase(t, s, v1alpha1.PhaseRunning)
		})
	}
}

func TestADesktopWithoutAHomeOfOneNodeStartsElsewhereAtOnce(t *testing.T) {
	for why, prepare := range map[string]func(*testing.T, *v1alpha1.VDITemplate){
		"no home": func(_ *testing.T, tm *v1alpha1.VDITemplate) { tm.Spec.Persistence.Enabled = new(false) },
		"a home that somebody made for many nodes": func(t *testing.T, tm *v1alpha1.VDITemplate) {
			s := newSession(tm.Name, "ada", tm.Name)
			claim := workload.HomeClaim(tm, s)
			claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
			claim.Annotations = nil
			require.NoError(t, api.Create(t.Context(), claim))
		},
	} {
		t.Run(why, func(t *testing.T) {
			namespace := space(t)
			tm := newTemplate(namespace)
			prepare(t, tm)
			require.NoError(t, api.Create(t.Context(), tm))
			s := given(t, namespace, "ada")
			d := woken(t, s)
			pod := startPodOn(t, s, "n-1")
			awaitPhase(t, s, v1alpha1.PhaseRunning)
			losesNode(t, pod)
			awaitCondition(t, s, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeLost)
			isGivenUp(t, pod)
			always(t, "it starts elsewhere", hasScale(t, d, 1))
			require.NoError(t, patchSession(t, s, `{"spec":{"power":"Off"}}`))
			eventually.NoError(t, "it sleeps", hasScale(t, d, 0))
			require.NoError(t, patchSession(t, s, `{"spec":{"power":"OnDemand"}}`))
			visit(t, s)
			eventually.NoError(t, "a visit wakes it while the lost pod is still there", hasScale(t, d, 1))
		})
	}
}

func TestASessionGoesThoughAPodOfALostNodeStays(t *testing.T) {
	for name, begin := range kinds("lostdeleted") {
		t.Run(name, func(t *testing.T) {
			s, d := begin(t)
			eventually.NoError(t, "the desktop starts", hasScale(t, d, 1))
			pod := startPodOn(t, s, "n-1")
			awaitPhase(t, s, v1alpha1.PhaseRunning)
			require.NoError(t, api.Delete(t.Context(), s))
			isGivenUp(t, pod)
			if name == "with Knative" {
				eventually.NoError(t, "its Knative Service to be gone", func() error {
					return nowhere(t, &servingv1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name}})
				})
				revision := &autoscalingv1alpha1.PodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: d.Labels[serving.RevisionLabelKey]}}
				require.NoError(t, api.Delete(t.Context(), revision))
				require.NoError(t, api.Delete(t.Context(), d)) // as Kubernetes collects it
			}
			awaitPhase(t, s, v1alpha1.PhaseTerminating)
			always(t, "it waits for a pod that ends", func() error { return api.Get(t.Context(), client.ObjectKeyFromObject(s), &v1alpha1.VDISession{}) })

			losesNode(t, pod)
			eventually.NoError(t, "the session to be gone", func() error { return nowhere(t, s) })
			eventually.NoError(t, "its workload to be gone", func() error { return nowhere(t, d) })
			require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(pod), pod), "the pod is Kubernetes' to collect")
			awaitEvent(t, s.Namespace, s.Name, v1alpha1.ReasonNodeLost, "pod "+pod.Name+" stays until its node n-1 is back", "kubernetes.io/pvc-protection")

			tokens := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: workload.TokenSecretName(s.Name)}}
			require.NoError(t, absent(t, tokens))
			again := given(t, s.Namespace, s.Name)
			visit(t, again)
			if name == "with Knative" {
				d = rollOut(t, again)
			} else {
				d = deploymentOf(t, api, again)
			}
			awaitCondition(t, again, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeLost)
			always(t, "another session waits for the home", hasScale(t, d, 0))
			isCollected(t, pod)
			eventually.NoError(t, "and then it starts", hasScale(t, d, 1))
		})
	}
}

// ofThePage is the command of docs/operations/nodes.md that has all of these in it, for a node.
func ofThePage(t *testing.T, node string, with ...string) string {
	t.Helper()
	pages, err := docs.Pages(repository)
	require.NoError(t, err)
	for _, page := range pages {
		for _, command := range page.Commands() {
			lacks := slices.ContainsFunc(with, func(part string) bool { return !strings.Contains(command, part) })
			if page.Path == "docs/operations/nodes.md" && !lacks {
				return strings.ReplaceAll(command, "NODE", node)
			}
		}
	}
	require.Fail(t, "the page has no such command", with)
	return ""
}

func TestAnAdministratorLetsGoOfANodeThatIsOffAndTakesItBack(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "off"}}
	require.NoError(t, api.Create(t.Context(), node))
	is := func(status corev1.ConditionStatus) {
		patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":%q,"reason":"NodeStatusUnknown"}]}}`, status)
		require.NoError(t, api.Status().Patch(t.Context(), node.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))))
	}
	taints := func() (is []string) {
		require.NoError(t, api.Get(t.Context(), client.ObjectKeyFromObject(node), node))
		for _, taint := range node.Spec.Taints {
			is = append(is, taint.ToString())
		}
		return is
	}
	s := given(t, space(t), "ada")
	woken(t, s)
	pod := startPodOn(t, s, node.Name)
	letGo, undo := ofThePage(t, node.Name, "out-of-service", "--powered-off"), ofThePage(t, node.Name, "out-of-service", "--undo")
	const taint = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
	kubectl := plugin(t)

	is(corev1.ConditionTrue)
	out, err := kubectl(letGo)
	require.Error(t, err)
	wantText(t, out, "node off is Ready")
	is(corev1.ConditionUnknown)
	out, err = kubectl(strings.TrimSuffix(letGo, " --powered-off"))
	require.Error(t, err)
	home := homeOf(s).Name
	wantText(t, out, "pod "+pod.Name+" with "+home+" would be let go", "add --powered-off")
	assert.NotContains(t, taints(), taint, "it was only asked")

	out, err = kubectl(letGo)
	require.NoError(t, err, out)
	wantText(t, out, "Session "+s.Namespace+"/ada: pod "+pod.Name+" with "+home+" is let go.", undo)
	assert.Contains(t, taints(), taint)
	out, err = kubectl(undo)
	require.NoError(t, err, out)
	assert.NotContains(t, taints(), taint)
	// The same by hand, as the page has it.
	out, err = kubectl(ofThePage(t, node.Name, "kubectl taint nodes"))
	require.NoError(t, err, out)
	assert.Contains(t, taints(), taint)
}
