//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

func TestNobodyRestartsADesktopInUse(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	key := session(ctx, t, "guarded", template(t, nil), nil)
	stream, err := invited(ctx, t, key).View(ctx, nil)
	require.NoError(t, err)
	defer stream.Close()
	require.NoError(t, stream.WaitFrames(ctx, wantFrames))
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	before := only(t, s)

	// An administrator with kubectl rollout restart.
	d, err := deploymentOf(ctx, key)
	require.NoError(t, err)
	restart := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"now"}}}}}`))
	err = in.Client.Patch(ctx, d, restart)
	require.True(t, apierrors.IsForbidden(err))
	// Two policies refuse it, and the API server tells of one: it is awake, and its makers alone change it.
	assert.Contains(t, err.Error(), "session guarded", "restarting it: %v", err)
	if in.Knative {
		upgradeOfKnative(ctx, t, key)
	}

	frames := stream.Frames()
	assert.NoError(t, stream.WaitFrames(ctx, frames+wantFrames), "the picture stands still")
	after := only(t, s)
	require.Equal(t, before.UID, after.UID)
	assert.Equal(t, restarts(&before), restarts(&after), "the live desktop was restarted: %s, before %s", after.Name, before.Name)
	stream.Close()
	if !in.Knative {
		return
	}
	err = eventually.Wait(ctx, "Knative's change, when the desktop sleeps", func() error {
		d, err := deploymentOf(ctx, key)
		if err == nil && !strings.Contains(d.Spec.Template.String(), newSidecar) {
			err = errors.New("the sidecar is the old one")
		}
		return err
	})
	assert.NoError(t, err)
}

// newSidecar is the audience of a token that nothing else has.
const newSidecar = "33333333"

// upgradeOfKnative does what changes all sidecars, as a new version of Knative does, and
// waits until Knative was told that this one has to wait.
func upgradeOfKnative(ctx context.Context, t *testing.T, key types.NamespacedName) {
	t.Helper()
	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: config.Default().Knative.Namespace, Name: "config-deployment"}}
	set := func(value string) error {
		patch := fmt.Appendf(nil, `{"data":{"queue-sidecar-token-audiences":%s}}`, value)
		return in.Client.Patch(context.WithoutCancel(ctx), settings.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
	}
	t.Cleanup(func() {
		assert.NoError(t, set("null"))
	})
	require.NoError(t, set(`"`+newSidecar+`"`))
	err := eventually.Wait(ctx, "Knative to be told that the desktop is awake", func() error {
		var events corev1.EventList
		if err := in.Client.List(ctx, &events, client.InNamespace(key.Namespace)); err != nil {
			return err
		}
		for i := range events.Items {
			if e := &events.Items[i]; e.InvolvedObject.Kind == "Revision" && strings.Contains(e.Message, "session "+key.Name+" is awake") {
				return nil
			}
		}
		return fmt.Errorf("not among %d events", len(events.Items))
	})
	require.NoError(t, err)
}

// deploymentOf is what the session's pod comes from, whoever made it.
func deploymentOf(ctx context.Context, key types.NamespacedName) (*appsv1.Deployment, error) {
	var list appsv1.DeploymentList
	if err := in.Client.List(ctx, &list, client.InNamespace(key.Namespace)); err != nil {
		return nil, err
	}
	for i := range list.Items {
		if d := &list.Items[i]; d.Spec.Template.Labels[v1alpha1.LabelSession] == key.Name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%s has no Deployment", key)
}
