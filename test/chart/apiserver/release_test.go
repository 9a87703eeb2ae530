//go:build integration

package apiserver

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	vdiconfig "github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/helmrelease"
	"github.com/org/vdi-operator/pkg/keys"
	"github.com/org/vdi-operator/test/helm"
)

// inNamespace is the release in a namespace of its own, without what belongs to the cluster and
// other tests.
func inNamespace(t *testing.T, name string) helm.Release {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	require.NoError(t, admin.Create(t.Context(), namespace))
	r := installed(t, name)
	t.Cleanup(func() {
		_, err := r.Helm(withoutEnd(t), "uninstall", r.Name, "--no-hooks", "--ignore-not-found")
		assert.NoError(t, err, "its policies would refuse what other tests do")
		_ = admin.Delete(withoutEnd(t), namespace)
	})
	return r
}

// ours are the values of inNamespace.
var ours = []string{"--set", "crds.enabled=false,selkies.enabled=false"}

// helmsKeys are the Secrets that Helm made before the operator did, ourKeys all that this makes.
var (
	helmsKeys = []string{"vdi-signing-key", "vdi-turn"}
	ourKeys   = append([]string{"vdi-visits", "vdi-portal"}, helmsKeys...)
)

// keysOf are Secrets of an installation with what is in them.
func keysOf(t *testing.T, namespace string, names []string) map[string]*corev1.Secret {
	t.Helper()
	keys := map[string]*corev1.Secret{}
	for _, name := range names {
		keys[name] = &corev1.Secret{}
		require.NoError(t, admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, keys[name]), name)
	}
	return keys
}

// Of the version before, and of one that had not asked Helm to keep its Secrets.
func TestAnUpgradeAndARollbackKeepTheKeysThatHelmHas(t *testing.T) {
	previous := filepath.Join("test", "chart", "testdata", "vdi-operator-0.1.0.tgz")
	for name, kept := range map[string]bool{"kept": true, "unkept": false} {
		t.Run(name, func(t *testing.T) {
			r := inNamespace(t, "upgraded-"+name)
			do := func(args ...string) {
				t.Helper()
				_, err := r.Helm(t.Context(), args...)
				require.NoError(t, err)
			}
			do("install", r.Name, previous, "--skip-schema-validation", "--set", "selkies.enabled=false,crds.enabled=false")
			before := keysOf(t, r.Namespace, helmsKeys)
			if !kept {
				for _, s := range before {
					forget := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"helm.sh/resource-policy":null}}}`))
					require.NoError(t, admin.Patch(t.Context(), s, forget))
				}
			}
			same := func(when string) {
				t.Helper()
				for name, now := range keysOf(t, r.Namespace, helmsKeys) {
					assert.Equal(t, before[name].UID, now.UID, "%s: %s was made anew", when, name)
					assert.Equal(t, before[name].Data, now.Data, "%s: %s", when, name)
				}
			}
			upgrade := append([]string{"upgrade", r.Name, helm.Chart}, ours...)
			do(upgrade...)
			same("an upgrade")
			do(upgrade...)
			same("a second one")
			do("rollback", r.Name, "1")
			same("a rollback")
			do(upgrade...)
			same("an upgrade after it")
			do("uninstall", r.Name, "--no-hooks")
			same("an uninstall without the operator's")
			do(append([]string{"install", r.Name, helm.Chart}, ours...)...)
			same("another installation")
		})
	}
}

// Somebody changes the keys of an installation from before by deleting them.
func TestAnUpgradeKeepsTheKeysThatTheOperatorMadeInPlaceOfHelms(t *testing.T) {
	r := inNamespace(t, "rotated")
	upgrade := func() {
		t.Helper()
		_, err := r.Helm(t.Context(), append([]string{"upgrade", r.Name, helm.Chart}, ours...)...)
		require.NoError(t, err)
	}
	previous := filepath.Join("test", "chart", "testdata", "vdi-operator-0.1.0.tgz")
	_, err := r.Helm(t.Context(), "install", r.Name, previous, "--skip-schema-validation", "--set", "selkies.enabled=false,crds.enabled=false")
	require.NoError(t, err)
	upgrade()
	for _, s := range keysOf(t, r.Namespace, helmsKeys) {
		require.NoError(t, admin.Delete(t.Context(), s))
	}
	makeKeys(t, r.Namespace)
	made := keysOf(t, r.Namespace, ourKeys)
	for range 2 {
		upgrade()
		for name, now := range keysOf(t, r.Namespace, ourKeys) {
			assert.Equal(t, made[name].UID, now.UID, name)
			assert.Equal(t, made[name].Data, now.Data, name)
		}
	}
}

// makeKeys is what the operator does at its start.
func makeKeys(t *testing.T, namespace string) {
	t.Helper()
	keeper := &keys.Keeper{Client: admin, Log: logr.Discard(), Now: time.Now, Installation: vdiconfig.Installation{Namespace: namespace, Name: "vdi"}, Keys: vdiconfig.Keys{
		Signing: vdiconfig.Key{Secret: "vdi-signing-key", Make: true}, TURN: vdiconfig.Key{Secret: "vdi-turn", Make: true},
		Visits: vdiconfig.Key{Secret: "vdi-visits", Make: true}, Portal: vdiconfig.Key{Secret: "vdi-portal", Make: true}}}
	_, err := keeper.Await(t.Context(), func(err error) { require.NoError(t, err) })
	require.NoError(t, err)
}

// What the operator has made is none of Helm's business.
func TestHelmTakesNoKeyThatTheOperatorMade(t *testing.T) {
	r := inNamespace(t, "made")
	_, err := r.Helm(t.Context(), append([]string{"install", r.Name, helm.Chart}, ours...)...)
	require.NoError(t, err)
	secrets := &corev1.SecretList{}
	require.NoError(t, admin.List(t.Context(), secrets, client.InNamespace(r.Namespace), client.HasLabels{"app.kubernetes.io/part-of"}))
	require.Empty(t, secrets.Items, "the chart made a key")
	made := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "vdi-turn"}, Data: map[string][]byte{"secret": []byte("x")}}
	require.NoError(t, admin.Create(t.Context(), made))
	_, err = r.Helm(t.Context(), append([]string{"upgrade", r.Name, helm.Chart}, ours...)...)
	require.NoError(t, err)
	manifest, err := r.Helm(t.Context(), "get", "manifest", r.Name)
	require.NoError(t, err)
	assert.NotContains(t, manifest, "kind: Secret")
}

// The Job asks at a time when Helm waits for it.
func TestTheUninstallsJobFindsThatHelmUninstalls(t *testing.T) {
	for storage, driver := range map[helmrelease.Storage]string{helmrelease.Secret: "secret", helmrelease.ConfigMap: "configmap"} {
		t.Run(driver, func(t *testing.T) {
			t.Setenv("HELM_DRIVER", driver)
			r := inNamespace(t, "uninstalled-"+driver)
			set := []string{"--set", "uninstall.releaseStorage=" + string(storage)}
			asked := helmrelease.Release{Name: r.Name, Namespace: r.Namespace, Storage: storage}
			uninstalling := func() error { return asked.Uninstalling(t.Context(), admin) }
			for _, args := range [][]string{{"install", r.Name, helm.Chart}, {"upgrade", r.Name, helm.Chart}} {
				_, err := r.Helm(t.Context(), append(append(args, ours...), set...)...)
				require.NoError(t, err)
				assert.ErrorContains(t, uninstalling(), "is deployed")
			}
			// The Job's text is that of the revision to which this goes back.
			_, err := r.Helm(t.Context(), "rollback", r.Name, "1")
			require.NoError(t, err)
			assert.ErrorContains(t, uninstalling(), "is deployed")

			ended := make(chan error, 1)
			go func() {
				_, err := r.Helm(t.Context(), "uninstall", r.Name, "--timeout", "20s")
				ended <- err
			}()
			job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "vdi-uninstall"}}
			eventually.NoError(t, "the Job", func() error { return admin.Get(t.Context(), client.ObjectKeyFromObject(job), job) })
			assert.Contains(t, job.Spec.Template.Spec.Containers[0].Args, "--release-storage="+string(storage))
			assert.NoError(t, uninstalling(), "while Helm waits for the Job")
			complete(t, job)
			require.NoError(t, <-ended)
			assert.Error(t, uninstalling(), "it is gone")
		})
	}
}

// complete says that the Job has done its work, as its controller would.
func complete(t *testing.T, job *batchv1.Job) {
	t.Helper()
	now := metav1.Now()
	job.Status = batchv1.JobStatus{Succeeded: 1, StartTime: &now, CompletionTime: &now}
	for _, kind := range []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue,
			Reason: batchv1.JobReasonCompletionsReached, LastTransitionTime: now, LastProbeTime: now})
	}
	require.NoError(t, admin.Status().Update(t.Context(), job), fmt.Sprint(job.Status))
}
