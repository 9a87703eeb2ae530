package session

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/workload"
)

// asksForGPUs is a pod that no node has room for.
func (s *stage) asksForGPUs(amount string) {
	const name = workload.DefaultGPUResource
	s.pod(corev1.ConditionFalse)
	s.Pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{name: resource.MustParse(amount)}
	s.Progress = workload.Progress{Reason: v1alpha1.ReasonWaitingForGPU, Resource: name, Detail: "1 Insufficient " + name + ".",
		Message: "Waiting for a GPU.", Stuck: true}
}

// cluster is what the API server has beside the cache.
func (s *stage) cluster(objects ...client.Object) {
	s.r.API = fake.NewClientBuilder().WithScheme(s.r.Client.Scheme()).WithObjects(objects...).Build()
}

func node(name string, gpus string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{workload.DefaultGPUResource: resource.MustParse(gpus)}}}
}

func TestADesktopThatIsTooLargeForEveryNodeIsToldSoAtOnce(t *testing.T) {
	s := newWokenStage(t)
	s.cluster(node("small", "1"), node("large", "2"))
	s.asksForGPUs("64")
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseCreating, "No node of the cluster is large enough: the desktop asks for 64 of nvidia.com/gpu, and the largest node has 2. "+
		"Ask for less in spec.resources of the session or its template; otherwise it waits for a larger node.")
	require.NotNil(t, now.Status.Waiting)
	assert.Equal(t, v1alpha1.ReasonNoNodeLargeEnough, now.Status.Waiting.Reason)
	assert.Equal(t, workload.DefaultGPUResource, now.Status.Waiting.Resource)

	s.asksForGPUs("2")
	now, _ = s.look()
	assert.Equal(t, v1alpha1.ReasonWaitingForGPU, now.Status.Waiting.Reason, "what a node has is waited for as ever")
}

func TestALargerNodeIsSeenWithinAMinute(t *testing.T) {
	s := newWokenStage(t)
	s.cluster(node("small", "1"))
	s.asksForGPUs("64")
	s.look()
	require.NoError(t, s.r.API.(client.Client).Create(t.Context(), node("huge", "64")))
	s.now = s.now.Add(nodesLookedAt)
	now, _ := s.look()
	assert.Equal(t, v1alpha1.ReasonWaitingForGPU, now.Status.Waiting.Reason)
}

func TestWithoutTheRightToListNodesADesktopWaitsAsEver(t *testing.T) {
	s := newWokenStage(t)
	s.r.API = interceptor.NewClient(s.r.Client.(client.WithWatch), interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
		if _, nodes := list.(*corev1.NodeList); nodes {
			return apierrors.NewForbidden(corev1.Resource("nodes"), "", errors.New("no"))
		}
		return c.List(ctx, list, opts...)
	}})
	s.asksForGPUs("64")
	now, _ := s.look()
	assert.Equal(t, v1alpha1.ReasonWaitingForGPU, now.Status.Waiting.Reason)
}

// home is the session's claim.
func (s *stage) home() *corev1.PersistentVolumeClaim {
	s.t.Helper()
	claim := &corev1.PersistentVolumeClaim{}
	claim.Namespace, claim.Name = key.Namespace, workload.HomeName("ada@example.com", "egl")
	require.NoError(s.t, s.r.Client.Get(s.t.Context(), client.ObjectKeyFromObject(claim), claim))
	return claim
}

// put writes a claim, its status too.
func (s *stage) put(claim *corev1.PersistentVolumeClaim) {
	s.t.Helper()
	status := claim.Status
	require.NoError(s.t, s.r.Client.Update(s.t.Context(), claim))
	claim.Status = status
	require.NoError(s.t, s.r.Client.Status().Update(s.t.Context(), claim))
}

// names sets the StorageClass that the template names; empty is none.
func (s *stage) names(class string) {
	s.t.Helper()
	template := &v1alpha1.VDITemplate{}
	require.NoError(s.t, s.r.Client.Get(s.t.Context(), client.ObjectKey{Name: "egl"}, template))
	template.Spec.Persistence.StorageClassName = nil
	if class != "" {
		template.Spec.Persistence.StorageClassName = &class
	}
	require.NoError(s.t, s.r.Client.Update(s.t.Context(), template))
}

// newHomeStage is one whose home was asked of a class and has no volume yet.
func newHomeStage(t *testing.T, class string) *stage {
	t.Helper()
	s := newStage(t)
	require.NoError(t, s.r.Client.Delete(t.Context(), s.home()))
	s.names(class)
	s.look()
	claim := s.home()
	claim.Status.Phase = corev1.ClaimPending
	s.put(claim)
	s.visit()
	s.look()
	s.pod(corev1.ConditionFalse)
	s.Progress = workload.Progress{Reason: v1alpha1.ReasonWaitingForVolume, Detail: "pod has unbound immediate PersistentVolumeClaims.", Stuck: true}
	return s
}

func TestAMissingStorageClassIsNamedWithItsClaim(t *testing.T) {
	s := newHomeStage(t, "fats")
	s.cluster(&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"}})
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseCreating, `PersistentVolumeClaim "`+s.home().Name+`" asks for StorageClass "fats", which does not exist. `+
		`Correct persistence.storageClassName of template "egl", and the claim is made anew; or make that StorageClass.`)
	assert.Equal(t, v1alpha1.ReasonStorageClassMissing, now.Status.Waiting.Reason)
}

func TestAClaimThatWaitsIsNamedWithItsStorageClass(t *testing.T) {
	s := newHomeStage(t, "fast")
	s.cluster(&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"}})
	now, _ := s.look()
	s.wants(now, v1alpha1.PhaseCreating, `of StorageClass "fast" has none yet`)
	assert.Equal(t, v1alpha1.ReasonWaitingForVolume, now.Status.Waiting.Reason)
}

func TestAHomeThatNeverHadAVolumeIsMadeAnewFromTheCorrectedTemplate(t *testing.T) {
	for name, corrected := range map[string]string{"another class": "fast", "the cluster's default": ""} {
		t.Run(name, func(t *testing.T) {
			s := newHomeStage(t, "fats")
			s.look()
			s.names(corrected)
			s.look()
			now, _ := s.look()
			assert.Equal(t, corrected, s.home().Annotations[v1alpha1.AnnotationStorageClass])
			assert.Equal(t, s.session().Name, s.home().Annotations[v1alpha1.AnnotationHeldBy])
			assert.Equal(t, v1alpha1.PhaseCreating, now.Status.Phase)
		})
	}
}

func TestAHomeThatMayHoldFilesIsNeverMadeAnew(t *testing.T) {
	for name, change := range map[string]func(*stage, *corev1.PersistentVolumeClaim){
		"it has a volume":    func(_ *stage, c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "pv-1" },
		"it was bound":       func(_ *stage, c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimBound },
		"it lost its volume": func(_ *stage, c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimLost },
		"it is being filled": func(_ *stage, c *corev1.PersistentVolumeClaim) {
			c.Spec.DataSourceRef = &corev1.TypedObjectReference{Name: "snapshot"}
		},
		"a pod is on its way": func(s *stage, _ *corev1.PersistentVolumeClaim) { s.Pod.Spec.NodeName = "n-1" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newHomeStage(t, "fats")
			claim := s.home()
			change(s, claim)
			s.put(claim)
			s.names("fast")
			s.look()
			s.look()
			assert.Equal(t, "fats", s.home().Annotations[v1alpha1.AnnotationStorageClass])
		})
	}
}

// Another session's pass has made the home a moment ago, and the cache has not heard of it.
func TestOfTwoSessionsThatMakeOneHomeTheSecondIsToldWhoHasIt(t *testing.T) {
	s := newStage(t)
	s.Exists = false
	claim := s.home()
	claim.Annotations[v1alpha1.AnnotationHeldBy] = "grace"
	require.NoError(t, s.r.Client.Update(t.Context(), claim))
	require.NoError(t, s.r.Client.Create(t.Context(), &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "grace"}}))
	s.behindOnClaims()
	now, _ := s.look()
	s.wants(now, v1alpha1.PhasePending, `is in use by session "grace". Delete that session, or set spec.persistence.enabled to false in this one.`)
}

func TestAHomeIsNotTakenFromASessionThatTheCacheDoesNotHave(t *testing.T) {
	s := newStage(t)
	s.Exists = false
	claim := s.home()
	claim.Annotations[v1alpha1.AnnotationHeldBy] = "grace"
	require.NoError(t, s.r.Client.Update(t.Context(), claim))
	grace := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "grace"}}
	s.r.API = fake.NewClientBuilder().WithScheme(s.r.Client.Scheme()).WithObjects(grace, s.session()).Build()
	now, _ := s.look()
	s.wants(now, v1alpha1.PhasePending, `is in use by session "grace".`)
	assert.Equal(t, "grace", s.home().Annotations[v1alpha1.AnnotationHeldBy])
}

func TestAClaimOfSomebodyElseUnderTheHomesNameIsSaidWithWhatToDo(t *testing.T) {
	s := newStage(t)
	s.Exists = false
	claim := s.home()
	claim.Labels, claim.Annotations = nil, nil
	require.NoError(t, s.r.Client.Update(t.Context(), claim))
	s.behindOnClaims()
	now, _ := s.look()
	s.wants(now, v1alpha1.PhasePending, "is not a home of this product's")
	s.wants(now, v1alpha1.PhasePending, "Delete it if nobody needs it, or set spec.persistence.enabled to false in this session.")
}

// behindOnClaims lets the cache know no claim; the API server knows all.
func (s *stage) behindOnClaims() {
	all := s.r.Client.(client.WithWatch)
	s.r.API = all
	s.r.Client = interceptor.NewClient(all, interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if _, is := o.(*corev1.PersistentVolumeClaim); is {
			return apierrors.NewNotFound(corev1.Resource("persistentvolumeclaims"), key.Name)
		}
		return c.Get(ctx, key, o, opts...)
	}})
}

func (s *stage) told() (all []string) {
	for {
		select {
		case e := <-s.r.Events.(*events.FakeRecorder).Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

func TestWhatSomebodyHasToMendIsAWarningOnce(t *testing.T) {
	s := newWokenStage(t)
	s.pod(corev1.ConditionFalse)
	s.told()
	for _, kubelet := range []string{"ErrImagePull", "ImagePullBackOff", "ErrImagePull"} {
		s.Progress = workload.Progress{Reason: v1alpha1.ReasonImagePullFailed, Image: "desktop:1",
			Message: "The desktop's image cannot be pulled (" + kubelet + ").", Stuck: true}
		s.look()
	}
	assert.Equal(t, []string{"Warning ImagePullFailed The desktop's image cannot be pulled (ErrImagePull)."}, s.told())
	s.Progress = workload.Progress{Reason: v1alpha1.ReasonStarting, Message: "Its programs start."}
	s.look()
	assert.Empty(t, s.told(), "what passes by itself")
}

func TestASessionWhoseNamespaceEndsSaysSoAndIsNoError(t *testing.T) {
	s := newStage(t)
	s.visit()
	ends := apierrors.NewForbidden(corev1.Resource("deployments"), "ada", errors.New("the namespace is being terminated"))
	ends.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	s.refusal = ends
	now, again := s.look()
	s.wants(now, v1alpha1.PhaseTerminating, "The session's namespace is being deleted")
	assert.Equal(t, cleanUpRetry, again)
}

func TestALostRaceIsNoError(t *testing.T) {
	s := newStage(t)
	s.visit()
	s.refusal = apierrors.NewConflict(corev1.Resource("deployments"), "ada", errors.New("changed"))
	_, again := s.look()
	assert.Equal(t, conflictRetry, again)
}
