//go:build integration

package apiserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	vdiconfig "github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/keys"
	"github.com/org/vdi-operator/test/helm"
)

// kubectl runs it for the release's administrator, with a text for its input.
func kubectl(t *testing.T, r helm.Release, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
	cmd.Env, cmd.Stdin = append(os.Environ(), "KUBECONFIG="+r.Kubeconfig), strings.NewReader(input)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, "kubectl %v: %s", args, &errs)
	return string(out)
}

// live are the objects of a text as the cluster has them.
func live(t *testing.T, text string) map[string]*unstructured.Unstructured {
	t.Helper()
	objects, err := helm.Objects(text)
	require.NoError(t, err)
	all := map[string]*unstructured.Unstructured{}
	for _, o := range objects {
		require.NoError(t, admin.Get(t.Context(), client.ObjectKeyFromObject(o), o), "%s %s", o.GetKind(), o.GetName())
		all[o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName()] = o
	}
	return all
}

// As kapp, Argo CD and scripts do, which render the chart without a cluster.
func TestWhatHelmTemplateRendersIsAppliedTwiceWithoutDamage(t *testing.T) {
	r := inNamespace(t, "applied")
	// The definitions are there, and are other tests' too.
	template := func(more ...string) string {
		t.Helper()
		text, err := r.Template(t.Context(), append([]string{"--skip-tests", "--set", "crds.enabled=false,doze.enabled=true,prePull.enabled=true," +
			"auth.oidc.issuer=https://login.example.com,auth.oidc.clientID=vdi"}, more...)...)
		require.NoError(t, err)
		return text
	}
	text := template()
	t.Cleanup(func() { kubectl(t, r, text, "delete", "--ignore-not-found", "--wait=false", "-f", "-") })
	kubectl(t, r, text, "apply", "-f", "-")

	cfg, err := vdiconfig.Load(configOf(t, text))
	require.NoError(t, err)
	operator := &keys.Keeper{Client: admin, Installation: cfg.Installation, Keys: cfg.Keys, Log: logr.Discard(), Now: time.Now}
	_, err = operator.Await(t.Context(), func(err error) { t.Log(err) })
	require.NoError(t, err)
	names := append([]string{"vdi-visits"}, helmsKeys...)
	made, first := keysOf(t, r.Namespace, names), live(t, text)

	again := template()
	assert.Equal(t, text, again, "a second rendering")
	for line := range strings.Lines(kubectl(t, r, again, "apply", "-f", "-")) {
		// kubectl always sends a PodDisruptionBudget's selector, which it may only replace as a whole.
		if !strings.HasPrefix(line, "poddisruptionbudget.policy/") {
			assert.Contains(t, line, " unchanged", "rendered in another way than the API server completes it")
		}
	}
	for name, o := range live(t, again) {
		assert.Equal(t, first[name].GetResourceVersion(), o.GetResourceVersion(), "%s was changed", name)
	}
	changed := template("--set", "operator.replicas=2,selkies.displayName=Desktop")
	kubectl(t, r, changed, "apply", "-f", "-")
	for name, o := range live(t, changed) {
		if was := first[name]; was != nil {
			assert.Equal(t, was.GetUID(), o.GetUID(), "%s was made anew", name)
		}
	}
	assert.Equal(t, made, keysOf(t, r.Namespace, names), "the keys")
	jobs := &batchv1.JobList{}
	require.NoError(t, admin.List(t.Context(), jobs))
	assert.Empty(t, jobs.Items, "a Job was applied")
}

// configOf is a file with the operator's configuration of what was rendered.
func configOf(t *testing.T, text string) string {
	t.Helper()
	objects, err := helm.Objects(text)
	require.NoError(t, err)
	for _, o := range objects {
		if o.GetKind() == "ConfigMap" && o.GetName() == "vdi-operator" {
			content, _, _ := unstructured.NestedString(o.Object, "data", "config.yaml")
			path := filepath.Join(t.TempDir(), "config.yaml")
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			return path
		}
	}
	require.Fail(t, "there is no configuration of the operator")
	return ""
}

// By the kustomization that docs/gitops.md shows.
func TestKustomizeRendersWhatHelmTemplateDoes(t *testing.T) {
	program, err := helm.Program()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "charts", "vdi-operator"), os.DirFS(filepath.Join(root, helm.Chart))))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(kustomization(t)), 0o600))
	build := func() string {
		t.Helper()
		return kubectl(t, helm.Release{}, "", "kustomize", "--enable-helm", "--helm-command", program, dir)
	}
	text := build()
	assert.Equal(t, text, build(), "a second rendering")
	objects, err := helm.Objects(text)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, o := range objects {
		assert.NotContains(t, []string{"Job", "Secret", "Pod"}, o.GetKind(), o.GetName())
		assert.NotContains(t, o.GetAnnotations(), "helm.sh/hook", "%s %s", o.GetKind(), o.GetName())
		seen[types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}.String()+" "+o.GetKind()] = true
	}
	for _, want := range []string{"vdi-system/vdi-operator Deployment", "/vditemplates.vdi.kasm.io CustomResourceDefinition", "knative-serving/vdi-system-vdi-operator Role"} {
		assert.True(t, seen[want], want)
	}
}

// kustomization is the one that the page shows.
func kustomization(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "gitops.md"))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(page), "\n    helmGlobals:\n")
	require.True(t, found, "docs/gitops.md shows no kustomization")
	block, _, _ := strings.Cut("    helmGlobals:\n"+after, "\n\n")
	text := strings.ReplaceAll(strings.TrimPrefix(block, "    "), "\n    ", "\n")
	require.NoError(t, yaml.Unmarshal([]byte(text), &map[string]any{}), "%s", text)
	return text
}
