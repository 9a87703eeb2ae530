//go:build integration

package apiserver

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/token/tokentest"
	"github.com/org/vdi-operator/test/helm"
)

// noKubelet is a node's address where nothing listens.
const noKubelet = `{"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}},
	"conditions": [{"type": "Ready", "status": "True"}]}}`

// around is what is there beside a release when an administrator has a question: sessions, what
// Knative brings, and what the first draft left.
const around = `
{apiVersion: v1, kind: Namespace, metadata: {name: desktops}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: vdi-operator}}
---
{apiVersion: v1, kind: Node, metadata: {name: node}}
---
{apiVersion: v1, kind: Node, metadata: {name: system}}
---
{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: vdi-desktops, namespace: team-a}}
---
{apiVersion: v1, kind: Secret, metadata: {name: vdi-turn, namespace: vdi-system}}
---
{apiVersion: v1, kind: Secret, metadata: {name: vdi-visits, namespace: vdi-system}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: config-features, namespace: knative-serving}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: config-deployment, namespace: knative-serving}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: vdi-status, namespace: vdi-system, labels: {vdi.kasm.io/status-of: vdi}},
 data: {conditions: "- {type: KnativeReady, status: 'True', reason: Ready, message: It is.}"}}
---
{apiVersion: vdi.kasm.io/v1alpha1, kind: VDISession, metadata: {name: ada, namespace: default}, spec: {user: ada@example.com, template: nvidia-egl}}
---
{apiVersion: vdi.kasm.io/v1alpha1, kind: VDISession, metadata: {name: bob, namespace: default}, spec: {user: bob@example.com, template: cpu}}
---
{apiVersion: vdi.kasm.io/v1alpha1, kind: VDISession, metadata: {name: my-desktop, namespace: default}, spec: {user: me@example.com, template: selkies}}
---
{apiVersion: vdi.kasm.io/v1alpha1, kind: VDISession, metadata: {name: alice-desktop, namespace: desktops}, spec: {user: alice@example.com, template: ubuntu-desktop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: ada-1, namespace: default, labels: {vdi.kasm.io/session: ada},
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: ada, uid: "1", controller: true}]},
 spec: {nodeName: node, containers: [{name: desktop, image: i}, {name: vdi-agent, image: i}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: ada-1, namespace: vdi-system}, spec: {nodeName: system, containers: [{name: c, image: i}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: controller, namespace: knative-serving},
 spec: {selector: {matchLabels: {app: controller}}, template: {metadata: {labels: {app: controller}}, spec: {containers: [{name: c, image: i}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: vdi-operator, namespace: vdi-operator},
 spec: {selector: {matchLabels: {app: draft}}, template: {metadata: {labels: {app: draft}}, spec: {containers: [{name: c, image: i}]}}}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv-1},
 spec: {capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /nowhere}, storageClassName: fast,
        claimRef: {namespace: desktops, name: vdi-data-alice-desktop}}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: vdi-data-alice-desktop, namespace: desktops},
 spec: {accessModes: [ReadWriteOnce], storageClassName: fast, volumeName: pv-1, resources: {requests: {storage: 10Gi}}}}
`

// administered is a release in its second revision, with its pods and all around it. What
// controllers and kubelets would do, is done here.
func administered(t *testing.T) helm.Release {
	t.Helper()
	r := installed(t, systemNamespace)
	values := []string{"--set", "crds.enabled=false,admissionPolicy.enabled=false"}
	_, err := r.Helm(t.Context(), append([]string{"install", r.Name, helm.Chart}, values...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := r.Helm(withoutEnd(t), "uninstall", r.Name, "--no-hooks")
		require.NoError(t, err)
	})
	_, err = r.Helm(t.Context(), append([]string{"upgrade", r.Name, helm.Chart, "--set", "activator.autoscaling.enabled=true,ingress.enabled=true",
		"--set", "ingress.domain=vdi.example.com,ingress.tls.certManager.issuer.name=i"}, values...)...)
	require.NoError(t, err)
	objects, err := helm.Objects(around)
	require.NoError(t, err)
	create(t, admin, objects...)
	createSigningKey(t)
	createUninstall(t)
	for _, o := range objects {
		switch o.GetKind() {
		case "Node":
			status(t, o, noKubelet)
		case "VDISession":
			status(t, o, fmt.Sprintf(`{"status": {"phase": "Asleep", "message": "A visit wakes it.", "url": "https://%s--%s.vdi.example.com/"}}`,
				o.GetName(), o.GetNamespace()))
		case "Pod":
			status(t, o, `{"status": {"phase": "Running"}}`)
		}
	}
	for _, namespace := range []string{systemNamespace, "knative-serving"} {
		rollOut(t, namespace)
	}
	return r
}

// createSigningKey makes the key that the operator makes.
func createSigningKey(t *testing.T) {
	t.Helper()
	key, err := tokentest.NewKey()
	require.NoError(t, err)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "vdi-signing-key"}, Data: map[string][]byte{corev1.TLSPrivateKeyKey: key}}
	require.NoError(t, admin.Create(t.Context(), secret))
	t.Cleanup(func() { require.NoError(t, admin.Delete(withoutEnd(t), secret)) })
}

// createUninstall makes a Job as who renders the chart applies it before a release goes, which has
// done its work.
func createUninstall(t *testing.T) {
	t.Helper()
	pod := corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "vdi-uninstall"}, Spec: batchv1.JobSpec{Template: pod}}
	require.NoError(t, admin.Create(t.Context(), job))
	t.Cleanup(func() {
		require.NoError(t, admin.Delete(withoutEnd(t), job, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	})
	complete(t, job)
}

// rollOut gives every Deployment of a namespace a pod, and makes it available.
func rollOut(t *testing.T, namespace string) {
	t.Helper()
	list := &appsv1.DeploymentList{}
	require.NoError(t, admin.List(t.Context(), list, client.InNamespace(namespace)))
	for i := range list.Items {
		d := &list.Items[i]
		pod, err := helm.Objects(fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s-1\n  namespace: %s\nspec: {nodeName: system, "+
			"containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}\n", d.Name, namespace))
		require.NoError(t, err)
		pod[0].SetLabels(d.Spec.Template.Labels)
		create(t, admin, pod...)
		status(t, pod[0], `{"status": {"phase": "Running"}}`)
		n := *d.Spec.Replicas
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n,
			Conditions: []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue}}}
		require.NoError(t, admin.Status().Update(t.Context(), d))
	}
}

// status writes what somebody else would.
func status(t *testing.T, o *unstructured.Unstructured, patch string) {
	t.Helper()
	require.NoError(t, admin.Status().Patch(t.Context(), o.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch))))
}
