package harness

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
)

// componentLabel tells the product's programs apart.
const componentLabel = "app.kubernetes.io/component"

// The product's programs.
const (
	Activator = "activator"
	Operator  = "operator"
)

// Programs are the pods of one of the product's programs that are ready and stay.
func (in *Installation) Programs(ctx context.Context, component string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := in.Client.List(ctx, &list, client.InNamespace(in.SystemNamespace), client.MatchingLabels{componentLabel: component})
	var ready []corev1.Pod
	for i := range list.Items {
		if Ready(&list.Items[i]) {
			ready = append(ready, list.Items[i])
		}
	}
	return ready, err
}

// Settled waits until none of the product's programs is about to end. A replica that is
// takes clients for its shutdown delay, and then sends away those that it holds.
func (in *Installation) Settled(ctx context.Context) error {
	return eventually.Wait(ctx, "the programs that were replaced to end", func() error {
		var list corev1.PodList
		err := in.Client.List(ctx, &list, client.InNamespace(in.SystemNamespace), client.HasLabels{componentLabel})
		for i := range list.Items {
			if list.Items[i].DeletionTimestamp != nil {
				err = errors.Join(err, fmt.Errorf("%s is about to end", list.Items[i].Name))
			}
		}
		return err
	})
}

// Scale sets how many replicas of a program there are, and waits until it is so.
func (in *Installation) Scale(ctx context.Context, component string, replicas int) error {
	return in.rollOut(ctx, component, fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas))
}

// Restart replaces a program's pods as an upgrade does, and waits until it is so.
func (in *Installation) Restart(ctx context.Context, component string) error {
	return in.rollOut(ctx, component, fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`,
		time.Now().Format(time.RFC3339Nano)))
}

// rollOut patches a program's Deployment and waits until the pods are as it says;
// those that are about to end may still do so.
func (in *Installation) rollOut(ctx context.Context, component, patch string) error {
	var list appsv1.DeploymentList
	if err := in.Client.List(ctx, &list, client.InNamespace(in.SystemNamespace), client.MatchingLabels{componentLabel: component}); err != nil {
		return err
	}
	if len(list.Items) != 1 {
		return fmt.Errorf("%d deployments of the %s, want 1", len(list.Items), component)
	}
	d := &list.Items[0]
	if err := in.Client.Patch(ctx, d, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		return err
	}
	generation, want := d.Generation, *d.Spec.Replicas
	return eventually.Wait(ctx, "deployment "+d.Name+" to be rolled out", func() error {
		if err := in.Client.Get(ctx, client.ObjectKeyFromObject(d), d); err != nil {
			return err
		}
		st := d.Status
		if st.ObservedGeneration < generation || st.UpdatedReplicas != want || st.AvailableReplicas != want || st.Replicas != want {
			return fmt.Errorf("%d replicas, %d of them new and %d available; want %d", st.Replicas, st.UpdatedReplicas, st.AvailableReplicas, want)
		}
		return nil
	})
}

// Gauge reads a metric without labels from a pod of the activator's.
func (in *Installation) Gauge(ctx context.Context, pod *corev1.Pod, name string) (float64, error) {
	text, err := in.Kube.CoreV1().Pods(pod.Namespace).ProxyGet("http", pod.Name, "9090", "/metrics", nil).DoRaw(ctx)
	if err != nil {
		return 0, fmt.Errorf("metrics of %s: %w", pod.Name, err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("%s has no metric %s", pod.Name, name)
}

// Kill ends a pod without giving it time for anything.
func (in *Installation) Kill(ctx context.Context, pod *corev1.Pod) error {
	return client.IgnoreNotFound(in.Client.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID}))
}
