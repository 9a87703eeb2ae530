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
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

// TestTheKnativeOperatorTakesKnativeOverAndLeavesItAgain has Knative's configuration
// belong to a KnativeServing while the product goes on. That the product gives the keys
// back there when it is uninstalled is an integration test's.
func TestTheKnativeOperatorTakesKnativeOverAndLeavesItAgain(t *testing.T) {
	if !in.Knative {
		t.Skip("this installation has nothing to do with Knative's configuration")
	}
	serving, err := in.KnativeOperator(t.Context()) // it may have to be built: no part of the story's time
	if errors.Is(err, harness.ErrNotOurs) {
		t.Skip(err)
	}
	require.NoError(t, err)
	ctx := story(t)
	k := &knative{t: t, ctx: ctx, serving: serving}
	key := session(ctx, t, "operated", template(t, func(s *v1alpha1.VDITemplateSpec) { s.Lifecycle.DisconnectTimeout = nil }), nil)
	require.NoError(t, invited(ctx, t, key).WriteFile(ctx, noteName, noteText))
	pod := runningPod(ctx, t, key)

	require.NoError(t, in.Apply(ctx, serving.DeepCopy()))
	left := false
	t.Cleanup(func() { // The stories that follow have a Knative of nobody's.
		if left {
			return
		}
		assert.NoError(t, in.WithoutKnativeOperator(context.WithoutCancel(ctx), serving))
	})
	k.isSetIn("KnativeServing " + serving.GetName())
	assert.Equal(t, pod, runningPod(ctx, t, key), "the desktop runs in pod, before the takeover")

	// What the resource loses, the Knative Operator takes from the config map too.
	const lost = "kubernetes.podspec-hostaliases"
	patch := fmt.Appendf(nil, `{"spec":{"config":{"features":{%q:null}}}}`, lost)
	if err := in.Client.Patch(ctx, serving.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
	k.eventually("the key again, in the resource and in the config map", func() error {
		if got, _, err := unstructured.NestedString(k.now().Object, "spec", "config", "features", lost); got != "enabled" {
			return fmt.Errorf("%s is %q in the KnativeServing (%w)", lost, got, err)
		}
		if got := k.features()[lost]; got != "enabled" {
			return fmt.Errorf("%s is %q in config-features", lost, got)
		}
		return nil
	})

	err = in.WithoutKnativeOperator(ctx, serving)
	left = true
	require.NoError(t, err)
	k.isSetIn("ConfigMap config-features and ConfigMap config-autoscaler")
}

// knative is the configuration of Knative and the resource that it is written from.
type knative struct {
	t       *testing.T
	ctx     context.Context
	serving *unstructured.Unstructured
}

func (k *knative) eventually(what string, check func() error) {
	k.t.Helper()
	require.NoError(k.t, eventually.Wait(k.ctx, what, check))
}

// isSetIn waits until the installation is well and says where its keys are.
func (k *knative) isSetIn(place string) {
	k.t.Helper()
	k.eventually("the keys in "+place, func() error {
		out, err := in.Plugin(k.ctx, "status", "--system-namespace", in.SystemNamespace)
		if err == nil && !strings.Contains(out, "is set in "+place+".") {
			err = errors.New(out)
		}
		return err
	})
}

// now is the resource as it is.
func (k *knative) now() *unstructured.Unstructured {
	k.t.Helper()
	now := k.serving.DeepCopy()
	require.NoError(k.t, in.Client.Get(k.ctx, client.ObjectKeyFromObject(now), now))
	return now
}

// features are what is in config-features.
func (k *knative) features() map[string]string {
	k.t.Helper()
	var cm corev1.ConfigMap
	require.NoError(k.t, in.Client.Get(k.ctx, types.NamespacedName{Namespace: k.serving.GetNamespace(), Name: "config-features"}, &cm))
	return cm.Data
}
