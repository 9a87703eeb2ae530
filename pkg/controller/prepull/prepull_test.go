package prepull

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/lifecycle"
	"github.com/org/vdi-operator/pkg/workload"
)

const space = "vdi-system"

// newKeeper is an installation's in a cluster with these objects and the service account.
func newKeeper(t *testing.T, objects ...client.Object) *Keeper {
	t.Helper()
	scheme := runtime.NewScheme()
	require.NoError(t, clientgoscheme.AddToScheme(scheme))
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: space, Name: "vdi-prepull", UID: "account"}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, account)...).Build()
	return &Keeper{Client: c, API: c, Config: configuration(t)}
}

func configuration(t *testing.T) config.Config {
	t.Helper()
	c, err := config.Parse([]byte(`
url: {domain: vdi.example.com}
agent: {enabled: true, image: "agent:1"}
prePull: {enabled: true, gpuNodeLabels: [nvidia.com/gpu.present, example.com/gpu], imagePullSecrets: [{name: ours}], priorityClassName: low}
`))
	require.NoError(t, err)
	return c
}

// kde is a template of a desktop without GPUs, with a podTemplate.
func kde(podTemplate string) *v1alpha1.VDITemplate {
	t := &v1alpha1.VDITemplate{ObjectMeta: metav1.ObjectMeta{Name: "kde"},
		Spec: v1alpha1.VDITemplateSpec{Image: "desktop:1", Resources: v1alpha1.TemplateResources{DefaultGPU: new(int32(0))}}}
	if podTemplate != "" {
		t.Spec.PodTemplate = &runtime.RawExtension{Raw: []byte(podTemplate)}
	}
	return t
}

func (k *Keeper) desktop(t *testing.T, template *v1alpha1.VDITemplate) *corev1.PodSpec {
	t.Helper()
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Name: "s", Namespace: space},
		Spec: v1alpha1.VDISessionSpec{User: "ada", Template: template.Name}}
	policy := lifecycle.Resolve(k.Config.Sessions.Lifecycle, nil, &s.Spec)
	shape, err := workload.Build(k.Config, template, s, policy.StartupTimeout.OrZero())
	require.NoError(t, err)
	return &shape.Pod.Spec
}

func (k *Keeper) pod(t *testing.T, template *v1alpha1.VDITemplate) corev1.PodSpec {
	t.Helper()
	return podSpec(k.Config, k.desktop(t, template))
}

func (k *Keeper) keep(t *testing.T, template *v1alpha1.VDITemplate) *v1alpha1.TemplatePrePull {
	t.Helper()
	report, _ := k.Keep(t.Context(), template, k.desktop(t, template))
	return report
}

func (k *Keeper) daemonSets(t *testing.T) []appsv1.DaemonSet {
	t.Helper()
	list := &appsv1.DaemonSetList{}
	require.NoError(t, k.Client.List(t.Context(), list))
	return list.Items
}

func TestEachImageOfADesktopIsKeptAndNothingOfItRuns(t *testing.T) {
	k := newKeeper(t)
	pod := k.pod(t, kde(`{"spec":{
		"imagePullSecrets": [{"name":"theirs"}],
		"initContainers": [{"name":"prepare","image":"desktop:1"}],
		"containers": [{"name":"desktop","imagePullPolicy":"Never"}, {"name":"sidecar","image":"sidecar:1"}]}}`))
	images := map[string]corev1.PullPolicy{}
	for _, c := range pod.Containers {
		images[c.Image] = c.ImagePullPolicy
		assert.Equal(t, []string{program, "wait"}, c.Command, c.Name)
		assert.Equal(t, "/", c.WorkingDir, "an image's own may be closed to the user")
		assert.Contains(t, c.Env, corev1.EnvVar{Name: "NVIDIA_VISIBLE_DEVICES", Value: "void"}, c.Name)
	}
	assert.Equal(t, map[string]corev1.PullPolicy{"desktop:1": corev1.PullNever, "sidecar:1": ""}, images)
	assert.Equal(t, []corev1.LocalObjectReference{{Name: "theirs"}, {Name: "ours"}}, pod.ImagePullSecrets)
	require.Len(t, pod.InitContainers, 1)
	assert.Equal(t, "agent:1", pod.InitContainers[0].Image)
}

func TestThePodsTakeNextToNothingAndMayNothing(t *testing.T) {
	k := newKeeper(t)
	template := kde("")
	template.Spec.Resources.DefaultGPU = new(int32(2))
	pod := k.pod(t, template)
	assert.False(t, *pod.AutomountServiceAccountToken)
	assert.Equal(t, "low", pod.PriorityClassName)
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		assert.Equal(t, k.Config.PrePull.Resources, c.Resources, "%s: no GPU, and no memory of a desktop", c.Name)
		assert.Equal(t, k.Config.Agent.SecurityContext, c.SecurityContext, c.Name)
		for _, m := range c.VolumeMounts {
			assert.Equal(t, volume, m.Name, "%s: no home", c.Name)
		}
	}
}

func TestTheNodesAreThoseThatMayRunADesktop(t *testing.T) {
	k := newKeeper(t)
	placed := `{"spec":{"nodeSelector":{"role":"desktops"},"runtimeClassName":"nvidia",
		"tolerations":[{"key":"nvidia.com/gpu","operator":"Exists"},
			{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":9}],
		"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"kubernetes.io/hostname"}]},
			"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
				{"matchExpressions":[{"key":"zone","operator":"In","values":["a"]}]},
				{"matchExpressions":[{"key":"zone","operator":"In","values":["b"]}]}]}}}}}`
	terms := func(p corev1.PodSpec) (all []string) {
		if p.Affinity == nil {
			return nil
		}
		assert.Nil(t, p.Affinity.PodAntiAffinity, "images are wherever a desktop may run")
		for _, term := range p.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			var words []string
			for _, e := range term.MatchExpressions {
				words = append(words, strings.TrimSpace(e.Key+" "+string(e.Operator)+" "+strings.Join(e.Values, ",")))
			}
			all = append(all, strings.Join(words, " & "))
		}
		return all
	}
	pod := k.pod(t, kde(placed))
	assert.Equal(t, map[string]string{"role": "desktops"}, pod.NodeSelector)
	assert.Equal(t, "nvidia", *pod.RuntimeClassName)
	assert.Equal(t, []corev1.Toleration{{Key: "nvidia.com/gpu", Operator: corev1.TolerationOpExists}}, pod.Tolerations)
	assert.Equal(t, []string{"zone In a", "zone In b"}, terms(pod))

	withGPU := kde(placed)
	withGPU.Spec.Resources.DefaultGPU = new(int32(1))
	const one = "nvidia.com/gpu.present Exists & nvidia.com/gpu.present NotIn false"
	const other = "example.com/gpu Exists & example.com/gpu NotIn false"
	assert.Equal(t, []string{"zone In a & " + one, "zone In a & " + other, "zone In b & " + one, "zone In b & " + other},
		terms(k.pod(t, withGPU)))
	withGPU.Spec.PodTemplate = nil
	assert.Equal(t, []string{one, other}, terms(k.pod(t, withGPU)))
	k.Config.PrePull.GPUNodeLabels = nil
	assert.Empty(t, terms(k.pod(t, withGPU)), "all nodes that the podTemplate allows")
}

func TestADaemonSetFollowsItsTemplateAndGoesWithIt(t *testing.T) {
	k := newKeeper(t)
	template := kde("")
	k.keep(t, template)
	made := k.daemonSets(t)
	require.Len(t, made, 1)
	assert.Equal(t, "vdi-prepull-kde", made[0].Name)
	owner := metav1.OwnerReference{APIVersion: "v1", Kind: "ServiceAccount", Name: "vdi-prepull", UID: "account"}
	assert.Equal(t, []metav1.OwnerReference{owner}, made[0].OwnerReferences)
	assert.Equal(t, "25%", made[0].Spec.UpdateStrategy.RollingUpdate.MaxUnavailable.String())

	k.keep(t, template)
	assert.Equal(t, made[0].ResourceVersion, k.daemonSets(t)[0].ResourceVersion, "at rest nothing is written")

	template.Spec.Image = "desktop:2"
	k.keep(t, template)
	changed := k.daemonSets(t)
	require.Len(t, changed, 1)
	assert.Equal(t, "desktop:2", changed[0].Spec.Template.Spec.Containers[0].Image)
	assert.Equal(t, made[0].Spec.Selector, changed[0].Spec.Selector)

	require.NoError(t, k.Drop(t.Context(), "kde"))
	assert.Empty(t, k.daemonSets(t))
	assert.NoError(t, k.Drop(t.Context(), "kde"), "nothing to delete")
}

func TestWhatIsSomebodyElsesIsLeftAlone(t *testing.T) {
	theirs := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: space, Name: "vdi-prepull-kde",
		Labels: map[string]string{v1alpha1.LabelPrePull: "other", v1alpha1.LabelTemplate: "kde"}}}
	k := newKeeper(t, theirs)
	assert.Contains(t, k.keep(t, kde("")).Message, `DaemonSet "vdi-prepull-kde" cannot be made: one of this name exists in namespace "vdi-system"`)
	require.NoError(t, k.Drop(t.Context(), "kde"))
	assert.Len(t, k.daemonSets(t), 1)
}

func TestNothingIsMadeWhereThePodsServiceAccountIsGone(t *testing.T) {
	k := newKeeper(t)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: space, Name: "vdi-prepull"}}
	require.NoError(t, k.Client.Delete(t.Context(), account))
	assert.Contains(t, k.keep(t, kde("")).Message, `serviceaccounts "vdi-prepull" not found`)
	assert.Empty(t, k.daemonSets(t))
}

// waiting is a pod of the template kde whose container kubelet keeps waiting.
func waiting(node, reason, message string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: space, Name: "kde-" + node,
			Labels: map[string]string{v1alpha1.LabelPrePull: "vdi", v1alpha1.LabelTemplate: "kde"}},
		Spec: corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "desktop", Image: "desktop:1",
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}},
	}
}

func TestTheReportSaysHowFarItIsAndWhatIsInTheWay(t *testing.T) {
	const (
		desired = 3
		absent  = `: Image "desktop:1" cannot be pulled (ImagePullBackOff): not found.`
	)
	pending := waiting("", "ContainerCreating", "")
	only := corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{
		{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"c"}}}}
	pending.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{only}}}}
	pending.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled,
		Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes are available: 1 Too many pods."}}
	nodes := func(current, updated, ready int32) appsv1.DaemonSetStatus {
		return appsv1.DaemonSetStatus{ObservedGeneration: 2, DesiredNumberScheduled: desired, CurrentNumberScheduled: current,
			UpdatedNumberScheduled: updated, NumberReady: ready}
	}
	for name, c := range map[string]struct {
		status appsv1.DaemonSetStatus
		pods   []client.Object
		gpus   int32
		want   v1alpha1.TemplatePrePull
	}{
		"every node": {status: nodes(3, 3, 3), want: v1alpha1.TemplatePrePull{Desired: 3, Ready: 3}},
		"pulling": {status: nodes(3, 3, 1), pods: []client.Object{waiting("a", "ContainerCreating", "")},
			want: v1alpha1.TemplatePrePull{Desired: 3, Ready: 1}},
		"a change that has come to one node, where it is pulled": {status: nodes(3, 1, 2), want: v1alpha1.TemplatePrePull{Desired: 3}},
		"a change of which no controller knows": {
			status: appsv1.DaemonSetStatus{ObservedGeneration: 1, DesiredNumberScheduled: 3, CurrentNumberScheduled: 3,
				UpdatedNumberScheduled: 3, NumberReady: 3},
			want: v1alpha1.TemplatePrePull{Desired: 3}},
		"an image that does not come": {status: nodes(3, 3, 1), pods: []client.Object{
			waiting("b", "ErrImagePull", "not found"),
			waiting("a", "ImagePullBackOff", `Back-off pulling image "desktop:1": ErrImagePull: not found`)},
			want: v1alpha1.TemplatePrePull{Desired: 3, Ready: 1, Message: "On node a and 1 more" + absent}},
		"the same a moment later": {status: nodes(3, 3, 1), pods: []client.Object{
			waiting("b", "ImagePullBackOff", ""), waiting("a", "ErrImagePull", "not found")},
			want: v1alpha1.TemplatePrePull{Desired: 3, Ready: 1, Message: "On node a and 1 more" + absent}},
		"a program that does not start": {status: nodes(3, 3, 2),
			pods: []client.Object{waiting("a", "CreateContainerError", "no such user.")},
			want: v1alpha1.TemplatePrePull{Desired: 3, Ready: 2,
				Message: `On node a: Container "desktop" of image "desktop:1" does not start (CreateContainerError): no such user.`}},
		"a full node": {status: nodes(3, 3, 2), pods: []client.Object{pending}, want: v1alpha1.TemplatePrePull{Desired: 3, Ready: 2,
			Message: "On node c: The pod cannot be scheduled: 0/3 nodes are available: 1 Too many pods."}},
		"no node": {status: appsv1.DaemonSetStatus{ObservedGeneration: 2}, want: v1alpha1.TemplatePrePull{
			Message: "No node suits the nodeSelector, nodeAffinity and tolerations of the template's podTemplate."}},
		"no node with a GPU": {status: appsv1.DaemonSetStatus{ObservedGeneration: 2}, gpus: 1, want: v1alpha1.TemplatePrePull{
			Message: "No node that the template's podTemplate allows has one of the labels nvidia.com/gpu.present, example.com/gpu, by which " +
				"nodes with GPUs are known. Set prePull.gpuNodeLabels to labels that yours have; [] is every node that podTemplate allows."}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, c.pods...)
			template := kde("")
			template.Spec.Resources.DefaultGPU = &c.gpus
			k.keep(t, template)
			d := k.daemonSets(t)[0]
			d.Generation = 2
			require.NoError(t, k.Client.Update(t.Context(), &d))
			d.Status = c.status
			require.NoError(t, k.Client.Status().Update(t.Context(), &d))
			report, again := k.Keep(t.Context(), template, k.desktop(t, template))
			assert.Equal(t, &c.want, report)
			assert.Equal(t, c.want.Ready < c.want.Desired, again > 0, "looks again while something is missing")
		})
	}
}

func TestAnErrorOfTheAPIServerIsTheMessage(t *testing.T) {
	k := newKeeper(t)
	k.API = unreadable{k.API}
	assert.Contains(t, k.keep(t, kde("")).Message, "serviceaccounts is forbidden")
}

// unreadable refuses to be read.
type unreadable struct{ client.Reader }

func (unreadable) Get(_ context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewForbidden(corev1.Resource("serviceaccounts"), "", nil)
}
