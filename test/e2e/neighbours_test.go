//go:build e2e

package e2e

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/test/harness"
)

// teamNamespace belongs to people who have rights there and nowhere else.
const teamNamespace = "vdi-e2e-team"

// TestAUserOfOneNamespaceInstallsBesideTheClustersOwnRelease is the story of two
// releases in one cluster, each with namespaces of its own; one of them was installed
// without any right beyond its namespace, on CRDs that were there.
func TestAUserOfOneNamespaceInstallsBesideTheClustersOwnRelease(t *testing.T) {
	ctx := storyOfTheRelease(t, releasePatience)
	require.NoError(t, upgrade(ctx, "--set", "watchNamespaces={"+namespace+"}", "--set", "portal.sessionsNamespace="+namespace))
	require.NoError(t, removeNamespaces(ctx, teamNamespace))
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: teamNamespace}}
	require.NoError(t, in.Client.Create(ctx, ns))
	t.Cleanup(func() { remove(t, ns) }) // the next run waits for what is left
	// What the cluster's administrator gives beforehand: the CRDs came with the other
	// release, the roles come now.
	require.NoError(t, in.ApplyFile(ctx, filepath.Join(in.Root, "config", "rbac", "prerequisites.yaml")))
	kubeconfig, err := in.NamespaceAdmin(ctx, teamNamespace, t.TempDir())
	require.NoError(t, err)
	theirs := in.ReleaseOf("team", teamNamespace)
	theirs.Kubeconfig = kubeconfig
	// One coturn has the node's port; and the node port is the other release's.
	settings := append(slices.Clone(in.Settings), "--set", "watchNamespaces={"+teamNamespace+"}", "--set", "rbac.clusterScoped=false",
		"--set", "crds.enabled=false", "--set", "selkies.enabled=false", "--set", "knative.applyConfig=false",
		"--set", "coturn.enabled=false", "--set", "activator.service.type=ClusterIP",
		// The demo's provider is the other release's too, and a portal reads the cluster's templates.
		"--set", "auth.oidc.issuer=,auth.oidc.clientID=,auth.oidc.existingSecret=", "--set-json", "extraObjects=[]")
	require.NoError(t, theirs.Upgrade(ctx, in.Chart(), settings...))
	if printed, err := theirs.Test(ctx); err != nil {
		t.Errorf("%v: %s", err, printed)
	}

	team, err := in.Beside(ctx, theirs)
	require.NoError(t, err)
	tpl := echoing(t, nil)
	mine, other := session(ctx, t, "mine", tpl, nil), types.NamespacedName{Namespace: teamNamespace, Name: "other"}
	s := &v1alpha1.VDISession{ObjectMeta: metav1.ObjectMeta{Namespace: other.Namespace, Name: other.Name},
		Spec: v1alpha1.VDISessionSpec{User: "other@example.com", Template: tpl}}
	require.NoError(t, in.Client.Create(ctx, s))
	_, err = in.Session(ctx, other, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	for _, side := range []struct {
		of, stranger *harness.Installation
		key          types.NamespacedName
	}{{in, team, mine}, {team, in, other}} {
		link, err := side.of.Link(ctx, side.key, linkTTL)
		require.NoError(t, err)
		visitor, err := side.of.Invited(ctx, link)
		require.NoError(t, err)
		calling, end := context.WithCancel(ctx)
		caller := visitor.Call(calling, echoPath, side.key.Name)
		everyone(ctx, t, []*harness.Caller{caller}, "use the desktop", arrived)
		end()
		caller.Wait()
		_, err = side.stranger.Invited(ctx, link)
		assert.Error(t, err,
			"the release in %s answers for a session of the one in %s", side.stranger.SystemNamespace, side.of.SystemNamespace)
	}
	printed, err := theirs.Uninstall(ctx)
	require.NoError(t, err)
	t.Log(printed)
	noObjectOf(ctx, t, theirs)
	nothingOfTheDesktops(ctx, t, other)
	_, err = in.Session(ctx, mine, "running", harness.InPhase(v1alpha1.PhaseRunning))
	assert.NoError(t, err, "the desktop of the other release")
}
