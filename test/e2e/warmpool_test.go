//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/workload"
	"github.com/org/vdi-operator/test/harness"
)

// dozesInPool is the one desktop that waits of a template, once it is frozen.
func dozesInPool(ctx context.Context, t *testing.T, template string) *corev1.Pod {
	t.Helper()
	var one *corev1.Pod
	require.NoError(t, eventually.Wait(ctx, "a desktop to wait, frozen", func() error {
		var of v1alpha1.VDITemplate
		if err := in.Client.Get(ctx, types.NamespacedName{Name: template}, &of); err != nil {
			return err
		}
		if w := of.Status.WarmPool; w == nil || w.Ready != 1 || w.Dozing != 1 {
			return fmt.Errorf("its template says %+v", w)
		}
		var all corev1.PodList
		err := in.Client.List(ctx, &all, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelSession: "", v1alpha1.LabelTemplate: template})
		if err != nil {
			return err
		}
		if len(all.Items) != 1 {
			return fmt.Errorf("%d wait", len(all.Items))
		}
		one = &all.Items[0]
		return nil
	}))
	return one
}

func TestAFirstVisitTakesADesktopOfTheWarmPool(t *testing.T) {
	t.Parallel()
	ctx := story(t)
	tpl := template(t, func(s *v1alpha1.VDITemplateSpec) {
		s.Persistence.Enabled = ptr(false)
		s.WarmPool = &v1alpha1.WarmPool{Replicas: 1, Namespaces: []string{namespace}}
	})
	waits := dozesInPool(ctx, t, tpl)
	key := session(ctx, t, "warm", tpl, nil)
	visitor := invited(ctx, t, key)
	began := time.Now()
	view, err := visitor.View(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, view.WaitFrames(ctx, 1))
	t.Logf("its first frame %s after the first visit", time.Since(began).Round(time.Millisecond))
	s, err := in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	served := podOf(ctx, t, s)
	require.Equal(t, waits.UID, served.UID, "%s served, and %s had waited", served.Name, waits.Name)
	require.NoError(t, eventually.Wait(ctx, "the desktop to be told whose it is", func() error {
		text, err := read(ctx, served, workload.ClaimFile)
		if want := fmt.Sprintf("VDI_NAMESPACE='%s'\nVDI_SESSION='warm'\nVDI_TEMPLATE='%s'\nVDI_USER='warm@example.com'\n", namespace, tpl); err == nil && text != want {
			err = fmt.Errorf("it is told %q, want %q", text, want)
		}
		return err
	}))

	next := dozesInPool(ctx, t, tpl)
	require.NotEqual(t, waits.UID, next.UID)
	view.Close()
	_, err = in.Session(ctx, key, "asleep", harness.InPhase(v1alpha1.PhaseAsleep))
	require.NoError(t, err)
	again, err := visitor.View(ctx, nil)
	require.NoError(t, err)
	defer again.Close()
	require.NoError(t, again.WaitFrames(ctx, 1))
	require.NoError(t, eventually.Wait(ctx, "what was used to be gone", func() error {
		err := in.Client.Get(ctx, client.ObjectKeyFromObject(waits), &corev1.Pod{})
		if err == nil {
			return fmt.Errorf("pod %s is there", waits.Name)
		}
		return client.IgnoreNotFound(err)
	}))
	s, err = in.Session(ctx, key, "running", harness.InPhase(v1alpha1.PhaseRunning))
	require.NoError(t, err)
	assert.Equal(t, next.UID, podOf(ctx, t, s).UID, "the second visit finds the next one")
}

// read is a file in the desktop.
func read(ctx context.Context, pod *corev1.Pod, file string) (string, error) {
	kubectl, err := in.Kubectl(ctx)
	if err != nil {
		return "", err
	}
	return harness.Output(ctx, in.Root, kubectl, "--kubeconfig", in.Kubeconfig, "--namespace", pod.Namespace, "exec", pod.Name,
		"--container", v1alpha1.ContainerDesktop, "--", "cat", file)
}
