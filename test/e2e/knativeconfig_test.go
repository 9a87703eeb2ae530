//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/config"
	"github.com/org/vdi-operator/pkg/controller/installation"
	"github.com/org/vdi-operator/pkg/eventually"
)

func TestWhatIsTakenFromKnativesConfigurationComesBackAndStatusTellsWhoWantsItOtherwise(t *testing.T) {
	t.Parallel()
	if !in.Knative {
		t.Skip("this installation has nothing to do with Knative's configuration")
	}
	ctx := story(t)
	t.Cleanup(func() {
		if t.Failed() {
			said, err := in.Plugin(context.WithoutCancel(ctx), "status", "--system-namespace", in.SystemNamespace)
			t.Logf("kubectl vdi status: %s (%v)", said, err)
		}
	})
	// No other story's desktop uses it.
	const key = "kubernetes.podspec-hostaliases"
	features := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: config.Default().Knative.Namespace, Name: "config-features"}}
	eventually := func(what string, check func() error) {
		t.Helper()
		require.NoError(t, eventually.Wait(ctx, what, check))
	}
	edit := func(value string) {
		t.Helper()
		patch := fmt.Appendf(nil, `{"data":{%q:%s}}`, key, value)
		eventually("Knative's webhook to take the edit", func() error {
			return in.Client.Patch(ctx, features.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner("kubectl-edit"))
		})
	}
	set := func() error {
		if err := in.Client.Get(ctx, client.ObjectKeyFromObject(features), features); err != nil {
			return err
		}
		if got := features.Data[key]; got != "enabled" {
			return fmt.Errorf("%s is %q", key, got)
		}
		return nil
	}
	well := func() error {
		out, err := in.Plugin(ctx, "status", "--system-namespace", in.SystemNamespace)
		if err != nil {
			return err
		}
		for _, condition := range []string{v1alpha1.ConditionConfigurationCurrent, v1alpha1.ConditionDefinitionsPresent, v1alpha1.ConditionKnativeConfigured, v1alpha1.ConditionKnativeReady} {
			if !strings.Contains(out, condition) {
				return fmt.Errorf("%s is not among\n%s", condition, out)
			}
		}
		return nil
	}
	eventually("an installation that is well", well)
	eventually("the key", set)
	edit("null")
	eventually("the key again", set)

	t.Cleanup(func() { // Whatever happens: nobody's claim stays.
		patch := fmt.Appendf(nil, `{"data":{%q:null}}`, key)
		_ = in.Client.Patch(context.Background(), features.DeepCopy(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner("kubectl-edit"))
	})
	edit(`"disabled"`)
	eventually("status to fail, and to say who is in the way", func() error {
		_, failed := in.Plugin(ctx, "status", "--system-namespace", in.SystemNamespace)
		var list corev1.ConfigMapList
		if err := in.Client.List(ctx, &list, client.InNamespace(in.SystemNamespace), client.HasLabels{installation.LabelStatus}); err != nil {
			return err
		}
		if len(list.Items) != 1 {
			return fmt.Errorf("%d ConfigMaps", len(list.Items))
		}
		conditions, err := installation.ReadStatus(&list.Items[0])
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%+v", conditions)
		for _, part := range []string{key, "disabled", "kubectl-edit"} {
			if failed == nil || !strings.Contains(text, part) {
				return fmt.Errorf("kubectl vdi status ended with: %w; conditions are\n%s", failed, text)
			}
		}
		return nil
	})
	edit("null")
	eventually("an installation that is well again", well)
	eventually("the key", set)
}
