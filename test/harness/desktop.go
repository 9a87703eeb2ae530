package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/apis/vdi/v1alpha1"
	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/pkg/pods"
	"github.com/org/vdi-operator/test/desktop/viewer"
)

// DemoTemplate is the demo desktop with one GPU, small enough for a test machine.
func (in *Installation) DemoTemplate() v1alpha1.VDITemplateSpec {
	quantity := func(s string) *resource.Quantity { q := resource.MustParse(s); return &q }
	gpus, persistent := int32(1), true
	return v1alpha1.VDITemplateSpec{
		DisplayName:  "Demo desktop",
		Description:  "A test double for Selkies 1.6 with a few X programs.",
		Image:        in.DesktopImage,
		Resources:    v1alpha1.TemplateResources{DefaultGPU: &gpus, DefaultMemory: quantity("1Gi"), DefaultCPU: quantity("1")},
		Streaming:    v1alpha1.StreamingSpec{Protocol: v1alpha1.ProtocolAuto, Port: 8080},
		SharedMemory: quantity("64Mi"),
		Persistence: v1alpha1.TemplatePersistence{Enabled: &persistent, Size: quantity("1Gi"),
			MountPath: "/home/user", ReclaimPolicy: v1alpha1.ReclaimRetain},
	}
}

// View opens the desktop's stream as Selkies' client does.
func (v *Visitor) View(ctx context.Context, change func(*viewer.Options)) (*viewer.Viewer, error) {
	o := viewer.Options{URL: v.URL.String(), Header: v.Header(), DialContext: v.dial}
	if change != nil {
		change(&o)
	}
	return viewer.Dial(ctx, o)
}

// WriteFile and ReadFile use the demo desktop's window into its home.
func (v *Visitor) WriteFile(ctx context.Context, name, content string) error {
	resp, body, err := v.Do(ctx, http.MethodPost, "/demo/files?name="+name, nil, strings.NewReader(content))
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}

// ReadFile reads a file of the home back, and wakes the desktop if it must.
func (v *Visitor) ReadFile(ctx context.Context, name string) (string, error) {
	resp, body, err := v.Get(ctx, "/demo/files?name="+name, nil)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// NoPods waits until the session has no pod left.
func (in *Installation) NoPods(ctx context.Context, s *v1alpha1.VDISession) error {
	return eventually.Wait(ctx, "session "+s.Name+" to have no pods", func() error {
		pods, err := in.Pods(ctx, s)
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("pod %s is still there", pods[0].Name)
		}
		return err
	})
}

// Pods are the session's pods.
func (in *Installation) Pods(ctx context.Context, s *v1alpha1.VDISession) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := in.Client.List(ctx, &pods, client.InNamespace(s.Namespace), client.MatchingLabels{v1alpha1.LabelSession: s.Name})
	return pods.Items, err
}

// Ready says that a pod is ready and is not about to go.
func Ready(p *corev1.Pod) bool {
	return pods.Ready(p) && p.DeletionTimestamp == nil
}

// AllReady waits until every pod of the namespace is ready or has done its work.
func (in *Installation) AllReady(ctx context.Context, namespace string) error {
	return eventually.Wait(ctx, "the pods of "+namespace+" to be ready", func() error {
		var list corev1.PodList
		if err := in.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return err
		}
		for i := range list.Items {
			// One that has done its work, like a test's or a Job's, is never ready again.
			if p := &list.Items[i]; p.Status.Phase != corev1.PodSucceeded && !Ready(p) {
				return fmt.Errorf("pod %s is not", p.Name)
			}
		}
		return nil
	})
}

// NodeReady waits until every node is ready.
func (in *Installation) NodeReady(ctx context.Context) error {
	return eventually.Wait(ctx, "the nodes to be ready", func() error {
		var list corev1.NodeList
		if err := in.Client.List(ctx, &list); err != nil {
			return err
		}
		for i := range list.Items {
			for _, c := range list.Items[i].Status.Conditions {
				if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
					return fmt.Errorf("node %s: %s", list.Items[i].Name, c.Message)
				}
			}
		}
		return nil
	})
}

// describeWithin bounds the report after a failure.
const describeWithin = 30 * time.Second

// Describe writes what a person would look at after a failure.
func (in *Installation) Describe(ctx context.Context, w io.Writer, namespace string) {
	ctx, cancel := context.WithTimeout(ctx, describeWithin)
	defer cancel()
	var sessions v1alpha1.VDISessionList
	var pods corev1.PodList
	err := errors.Join(in.Client.List(ctx, &sessions, client.InNamespace(namespace)), in.Client.List(ctx, &pods, client.InNamespace(namespace)))
	if err != nil {
		fmt.Fprintln(w, "describing the namespace:", err)
	}
	for i := range sessions.Items {
		s := &sessions.Items[i]
		fmt.Fprintf(w, "session %s: %s: %s\n", s.Name, s.Status.Phase, s.Status.Message)
		for _, c := range s.Status.Conditions {
			fmt.Fprintf(w, "  %s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		fmt.Fprintf(w, "pod %s: %s\n", p.Name, p.Status.Phase)
		for _, c := range []string{v1alpha1.ContainerDesktop, v1alpha1.ContainerAgent} {
			if slices.ContainsFunc(p.Spec.Containers, func(has corev1.Container) bool { return has.Name == c }) {
				in.log(ctx, w, p, c)
			}
		}
	}
	if err := in.Client.List(ctx, &pods, client.InNamespace(in.SystemNamespace)); err == nil {
		for i := range pods.Items {
			p := &pods.Items[i]
			fmt.Fprintf(w, "pod %s: %s\n", p.Name, p.Status.Phase)
			in.log(ctx, w, p, "")
		}
	}
}

func (in *Installation) log(ctx context.Context, w io.Writer, p *corev1.Pod, container string) {
	lines := int64(60)
	raw, err := in.Kube.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{Container: container, TailLines: &lines}).DoRaw(ctx)
	if err != nil {
		fmt.Fprintln(w, "  no log:", err)
		return
	}
	fmt.Fprintf(w, "%s\n", raw)
}
