//go:build integration

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
)

const prePulled = "prepulled"

// grantOwn gives a user what the operator may do in its own namespace, as it is generated.
func grantOwn(t *testing.T, user, namespace string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "role.yaml"))
	require.NoError(t, err)
	roles := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), len(raw))
	for {
		role := &rbacv1.Role{}
		err := roles.Decode(role)
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		if role.Namespace != "vdi-system" {
			continue
		}
		binding := bindingOf(user, namespace)
		binding.Name, binding.RoleRef.Name = user+"-own", user+"-own"
		own := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: binding.Name}, Rules: role.Rules}
		require.NoError(t, api.Create(t.Context(), own))
		require.NoError(t, api.Create(t.Context(), binding))
	}
}

func daemonSetOf(template string) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: prePulled, Name: "vdi-prepull-" + template}}
}

// awaitDaemonSet waits until a template's DaemonSet keeps an image.
func awaitDaemonSet(t *testing.T, template, image string) *appsv1.DaemonSet {
	t.Helper()
	d := daemonSetOf(template)
	eventually.NoError(t, "a DaemonSet for "+image, func() error {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(d), d); err != nil {
			return err
		}
		if kept := d.Spec.Template.Spec.Containers[0].Image; kept != image {
			return fmt.Errorf("it keeps %s", kept)
		}
		return nil
	})
	return d
}

func awaitNoDaemonSet(t *testing.T, template string) {
	t.Helper()
	eventually.NoError(t, "the DaemonSet to go", func() error {
		d := daemonSetOf(template)
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(d), d); client.IgnoreNotFound(err) != nil || err == nil {
			return fmt.Errorf("it is there (%w)", err)
		}
		return nil
	})
}

func awaitPrePull(t *testing.T, template string, want v1alpha1.TemplatePrePull) {
	t.Helper()
	eventually.NoError(t, "the template's status to say how far it is", func() error {
		if got := statusOf(t, template).PrePull; got == nil || *got != want {
			return fmt.Errorf("have %+v, want %+v", got, want)
		}
		return nil
	})
}

func TestATemplatesImagesAreKeptByADaemonSetThatFollowsIt(t *testing.T) {
	in := install(t, cluster, api, prePulled)
	in.more = "agent: {enabled: true, image: dev.local/agent:1}\nprePull: {enabled: true}\n"
	grantOwn(t, userOf(in.namespaces), prePulled)
	restricted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: prePulled}}
	merge(t, restricted, `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: prePulled, Name: "vdi-prepull"}}
	require.NoError(t, api.Create(t.Context(), account))
	name := space(t)
	template := newTemplate(name)
	template.Spec.Resources.DefaultGPU = new(int32(0))
	require.NoError(t, api.Create(t.Context(), template))
	in.run(false)

	d := awaitDaemonSet(t, name, "dev.local/desktop:1")
	assert.Equal(t, []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: account.Name, UID: account.UID}}, d.OwnerReferences)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: prePulled, GenerateName: "of-it-", Labels: d.Spec.Template.Labels},
		Spec: *d.Spec.Template.Spec.DeepCopy()}
	pod.Spec.NodeName = "node-a"
	require.NoError(t, api.Create(t.Context(), pod), "restricted namespaces take the pods")

	// What the DaemonSet's controller and kubelet would write.
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{Name: "desktop", Image: "dev.local/desktop:1",
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}}
	require.NoError(t, api.Status().Update(t.Context(), pod))
	status := func(ready int32) {
		d.Status = appsv1.DaemonSetStatus{ObservedGeneration: d.Generation, DesiredNumberScheduled: 2, CurrentNumberScheduled: 2,
			UpdatedNumberScheduled: 2, NumberReady: ready}
		require.NoError(t, api.Status().Update(t.Context(), d))
	}
	status(1)
	awaitPrePull(t, name, v1alpha1.TemplatePrePull{Desired: 2, Ready: 1,
		Message: `In installation prepulled/vdi: On node node-a: Image "dev.local/desktop:1" cannot be pulled (ImagePullBackOff): no such image.`})
	status(2)
	awaitPrePull(t, name, v1alpha1.TemplatePrePull{Desired: 2, Ready: 2})

	merge(t, template, `{"spec":{"image":"dev.local/desktop:2"}}`)
	awaitDaemonSet(t, name, "dev.local/desktop:2")
	awaitPrePull(t, name, v1alpha1.TemplatePrePull{Desired: 2})
	merge(t, template, `{"spec":{"podTemplate":{"spec":{"nodeSelectr":{}}}}}`)
	awaitNoDaemonSet(t, name)
	merge(t, template, `{"spec":{"podTemplate":null}}`)
	awaitDaemonSet(t, name, "dev.local/desktop:2")

	in.stop()
	require.NoError(t, api.Delete(t.Context(), template))
	in.run(false)
	awaitNoDaemonSet(t, name)
}
