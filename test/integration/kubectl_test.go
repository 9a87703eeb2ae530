//go:build integration

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
)

// The pages tell people to name a session as vdi NAME: that must be one resource, and no
// category with others in it.
func TestKubectlKnowsASessionByItsShortName(t *testing.T) {
	ns := space(t)
	s := given(t, ns, "ada")
	awaitCondition(t, s, v1alpha1.ConditionHomeReady, "True", v1alpha1.ReasonHomeHeld)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(kubeconfig, cluster.KubeConfig, 0o600))
	kubectl := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), append([]string{"--namespace", ns}, args...)...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
		printed, err := cmd.CombinedOutput()
		require.NoError(t, err, "kubectl %v: %s", args, printed)
		return string(printed)
	}
	assert.Contains(t, kubectl("get", "vdi", "ada"), "ada@example.com")
	assert.Contains(t, kubectl("describe", "vdi", "ada"), "HomeHeld")
	assert.Equal(t, "vdisession.vdi.kasm.io/ada\n", kubectl("get", "vdi", "-o", "name"), "sessions, and no templates")
	kubectl("patch", "vdi", "ada", "--type", "merge", "--patch", `{"spec":{"power":"Off"}}`)
	kubectl("wait", "vdi", "ada", "--for", "jsonpath={.spec.power}=Off", "--timeout", "10s")
	awaitSessions(t, ns, v1alpha1.TemplateSessions{Total: 1, Asleep: 1})
	assert.Regexp(t, `^NAME +DISPLAY NAME +GPU +VALID +SESSIONS +AWAKE +AGE\n`+ns+` +1 +True +1 +0 +`, kubectl("get", "vdit", ns))
	kubectl("delete", "vdi", "--all", "--wait=false")
	assert.NoError(t, api.Get(t.Context(), client.ObjectKey{Name: ns}, &v1alpha1.VDITemplate{}), "a template went with the sessions")
}

func TestThePluginTakesASessionFromItsCreationToItsSleep(t *testing.T) {
	ns, run := space(t), plugin(t)
	require.NoError(t, api.Create(t.Context(), newTemplate(ns)))
	does := func(says string, format string, args ...any) string {
		t.Helper()
		printed, err := run("kubectl vdi " + fmt.Sprintf(format, args...) + " --namespace " + ns)
		require.NoError(t, err, printed)
		require.Regexp(t, says, printed)
		return printed
	}
	does(`vdisession.vdi.kasm.io/ada created`, "create ada --user ada@example.com --template %s --wait", ns)
	does(`The desktop `+ns+`/ada wakes\.`, "wake ada")
	s := newSession(ns, "ada", ns)
	now := awaitPhase(t, s, v1alpha1.PhaseCreating)
	does(`(?m)^Awake: +for .*, not reachable yet$[\s\S]*\n  Ready +no, Waking `, "describe ada")
	does(`(?m)^`+ns+` +ada +ada@example.com +`+ns+` `, "top")
	does(`goes to sleep\.`, "sleep ada --wait")
	now = get(t, now)
	assert.Equal(t, v1alpha1.ReasonSleepRequested, now.Status.SleepReason)
	does(`Share viewer-\w+ lets bob@example.com in as Viewer`, "share ada --user bob@example.com --expires 1h")
	shares := get(t, now).Spec.Shares
	require.Len(t, shares, 1)
	does(`(?m)^`+shares[0].Name+` +Viewer +bob@example.com +- +59m$`, "share ada")
	does(`has ended`, "share ada --end %s", shares[0].Name)
	assert.Empty(t, get(t, now).Spec.Shares)
	offered, err := run("kubectl vdi __complete --namespace " + ns + " wake ad")
	require.NoError(t, err, offered)
	assert.Contains(t, offered, "ada\tada@example.com, Asleep\n")
	_, err = run("kubectl vdi logs ada --namespace " + ns)
	assert.ErrorContains(t, err, "exit status 1")
}

// plugin builds kubectl-vdi, and returns what runs a command of kubectl's as the pages have it.
func plugin(t *testing.T) (run func(command string) (printed string, err error)) {
	t.Helper()
	folder := t.TempDir()
	kubeconfig := filepath.Join(folder, "kubeconfig")
	require.NoError(t, os.WriteFile(kubeconfig, cluster.KubeConfig, 0o600))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(folder, "kubectl-vdi"), "./cmd/kubectl-vdi")
	build.Dir = filepath.Join("..", "..")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return func(command string) (string, error) {
		args := strings.Fields(command)
		cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), args[0]), args[1:]...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}
