//go:build integration

package apiserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	vdiconfig "github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/workload"
	"github.com/org/vdi-operator/test/helm"
)

// notRestricted are templates whose desktops start as root, which the level baseline admits.
var notRestricted = map[string]bool{"webtop": true, "webtop-restricted": true}

// enforcing makes a namespace that enforces a Pod Security level.
func enforcing(t *testing.T, name, level string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": level}}}
	require.NoError(t, admin.Create(t.Context(), ns))
	t.Cleanup(func() { assert.NoError(t, client.IgnoreNotFound(admin.Delete(withoutEnd(t), ns))) })
}

// readyTemplates are those of config/samples, and the chart's own.
func readyTemplates(t *testing.T) map[string]*v1alpha1.VDITemplate {
	t.Helper()
	all := map[string]*v1alpha1.VDITemplate{}
	files, err := filepath.Glob(filepath.Join(root, "config", "samples", "template-*.yaml"))
	require.NoError(t, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		tm := &v1alpha1.VDITemplate{}
		require.NoError(t, yaml.UnmarshalStrict(raw, tm), file)
		all[tm.Name] = tm
	}
	for _, o := range ofGroup(rendered(t, systemNamespace), v1alpha1.GroupVersion.Group) {
		tm := &v1alpha1.VDITemplate{}
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, tm))
		all[tm.Name] = tm
	}
	require.Greater(t, len(all), len(files), "the chart's template is not found")
	return all
}

func TestDesktopsOfTheReadyTemplatesAreAdmittedWherePodSecurityIsEnforced(t *testing.T) {
	enforcing(t, "desktops-restricted", "restricted")
	enforcing(t, "desktops-baseline", "baseline")
	cfg := vdiconfig.Default()
	cfg.Agent.Enabled, cfg.Agent.Image = true, "agent"
	for name, tm := range readyTemplates(t) {
		t.Run(name, func(t *testing.T) {
			admitted := func(namespace string) error {
				s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ada", UID: "1"},
					Spec: v1alpha1.VDISessionSpec{User: "ada", Template: name}}
				shape, err := workload.Build(cfg, tm, s, time.Minute)
				require.NoError(t, err)
				// Without labels: other tests' policies keep a desktop's to its makers.
				pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ada"}, Spec: shape.Pod.Spec}
				return admin.Create(t.Context(), pod, client.DryRunAll)
			}
			assert.NoError(t, admitted("desktops-baseline"))
			err := admitted("desktops-restricted")
			if !notRestricted[name] {
				assert.NoError(t, err)
				return
			}
			require.True(t, apierrors.IsForbidden(err), "%v", err)
			assert.True(t, strings.Contains(err.Error(), "unrestricted capabilities"), "%v", err)
		})
	}
}

// A pod of coturn in its node's network would never come, and nothing would say so.
func TestCoturnWhereItsPodsWouldBeRefusedIsSaidBeforeAnythingChanges(t *testing.T) {
	for _, level := range []string{"baseline", "restricted"} {
		namespace := "release-" + level
		enforcing(t, namespace, level)
		install := func(flags ...string) error {
			r := installed(t, namespace)
			_, err := r.Helm(t.Context(), append([]string{"install", r.Name, helm.Chart, "--dry-run=server", "--set", "crds.enabled=false"}, flags...)...)
			return err
		}
		err := install()
		for _, say := range []string{"coturn.hostNetwork is true", namespace, level, "Set coturn.hostNetwork=false"} {
			assert.ErrorContains(t, err, say)
		}
		assert.NoError(t, install("--set", "coturn.hostNetwork=false,turn.urls={turn:turn.example.com}"))
		assert.NoError(t, install("--set", "coturn.enabled=false"))
	}
}
