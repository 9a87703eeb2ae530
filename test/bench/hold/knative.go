package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/harness"
)

const (
	knativeNamespace = "knative-serving"
	knativeActivator = "activator"
	namespace        = "vdi-bench-hold"
	// gateLabel is what the pods ask of a node and the node lacks until they may run.
	gateLabel = "vdi.kasm.io/bench-hold"
	// shippedMemory is the limit of Knative's activator as published
	// (knative.dev/serving, config/core/deployments/activator.yaml). It is taken off,
	// so that what is held can be held; a figure above it says so.
	shippedMemory = 600 << 20
	// longestRequest is Knative's longest timeout as published
	// (config-defaults, max-revision-timeout-seconds).
	longestRequest = int64(600)
	backendPort    = "8080"
)

// knative is stock Knative's activator, with Services of its own autoscaler class.
type knative struct {
	in       *harness.Installation
	count    int
	rounds   int
	node     string
	services []*servingv1.Service
}

func newKnative(ctx context.Context, services int) (*knative, error) {
	in, err := harness.Open(ctx)
	if err != nil {
		return nil, err
	}
	k := &knative{in: in, count: services}
	var nodes corev1.NodeList
	if err := in.Client.List(ctx, &nodes); err != nil {
		return nil, err
	}
	if len(nodes.Items) != 1 {
		return nil, fmt.Errorf("the cluster has %d nodes: this reads the memory of processes on this machine, and needs the test cluster", len(nodes.Items))
	}
	k.node = nodes.Items[0].Name
	if err := k.memoryLimit(ctx, nil); err != nil {
		return nil, err
	}
	return k, k.space(ctx)
}

// space makes a namespace in the place of one that an earlier run left.
func (k *knative) space(ctx context.Context) error {
	return eventually.Wait(ctx, "a new namespace", func() error {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		if err := client.IgnoreNotFound(k.in.Client.Delete(ctx, ns)); err != nil {
			return err
		}
		return k.in.Client.Create(ctx, &corev1.Namespace{ObjectMeta: ns.ObjectMeta})
	})
}

// memoryLimit sets the limit of Knative's activator; nil is none.
func (k *knative) memoryLimit(ctx context.Context, limit any) error {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: knativeNamespace, Name: knativeActivator}}
	patch := encoded(map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{
		map[string]any{"name": knativeActivator, "resources": map[string]any{"limits": map[string]any{"memory": limit}}}}}}}})
	return k.in.Client.Patch(ctx, d, client.RawPatch(types.StrategicMergePatchType, patch))
}

func (k *knative) name() string { return nameKnative }

func (k *knative) begin(ctx context.Context, _ int) (*holder, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	k.rounds++
	if err := k.gate(ctx, nil); err != nil {
		return nil, err
	}
	p, err := k.freshActivator(ctx)
	if err != nil {
		return nil, err
	}
	h := &holder{process: p, awaited: k.pending}
	for i := range k.count {
		s := k.service(fmt.Sprintf("held-%d-%d", k.rounds, i))
		if err := k.in.Client.Create(ctx, s); err != nil {
			return nil, err
		}
		k.services = append(k.services, s)
	}
	for _, s := range k.services {
		ip, host, err := k.in.StockAtZero(ctx, s)
		if err != nil {
			return nil, err
		}
		h.targets = append(h.targets, target{Address: net.JoinHostPort(ip, "80"), Path: signalingPath, Header: http.Header{"Host": {host}}})
	}
	return h, nil
}

// gate lets the Services' pods run, or with nil not.
func (k *knative) gate(ctx context.Context, open any) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: k.node}}
	patch := encoded(map[string]any{"metadata": map[string]any{"labels": map[string]any{gateLabel: open}}})
	return k.in.Client.Patch(ctx, node, client.RawPatch(types.MergePatchType, patch))
}

// freshActivator replaces Knative's activator, whose memory remembers earlier rounds,
// and finds the new one's process.
func (k *knative) freshActivator(ctx context.Context) (*process.Process, error) {
	of := []client.ListOption{client.InNamespace(knativeNamespace), client.MatchingLabels{"app": knativeActivator}}
	if err := k.in.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(knativeNamespace),
		client.MatchingLabels{"app": knativeActivator}, client.GracePeriodSeconds(1)); err != nil {
		return nil, err
	}
	var p *process.Process
	err := eventually.Wait(ctx, "a fresh Knative activator", func() error {
		var pods corev1.PodList
		if err := k.in.Client.List(ctx, &pods, of...); err != nil {
			return err
		}
		if len(pods.Items) != 1 || pods.Items[0].DeletionTimestamp != nil || !harness.Ready(&pods.Items[0]) {
			return fmt.Errorf("%d pods, not one that is ready", len(pods.Items))
		}
		var err error
		p, err = process.InContainer(pods.Items[0].Status.ContainerStatuses[0].ContainerID[len("containerd://"):])
		return err
	})
	return p, err
}

func (k *knative) service(name string) *servingv1.Service {
	no, seconds := false, longestRequest
	s := harness.StockService(namespace, name, corev1.PodSpec{
		AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
		NodeSelector: map[string]string{gateLabel: "open"},
		Containers: []corev1.Container{{
			Name: "backend", Image: k.in.BenchImage, Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}},
		}},
	})
	s.Spec.Template.Spec.TimeoutSeconds = &seconds
	return s
}

// pending waits until every Service wants its pod.
func (k *knative) pending(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return eventually.Wait(ctx, "pods that wait for the node", func() error {
		pods, err := k.pods(ctx)
		if err == nil && len(pods) != k.count {
			err = fmt.Errorf("%d of %d", len(pods), k.count)
		}
		return err
	})
}

func (k *knative) pods(ctx context.Context) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := k.in.Client.List(ctx, &pods, client.InNamespace(namespace))
	return pods.Items, err
}

// appear opens the gate.
func (k *knative) appear(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := k.gate(ctx, "open"); err != nil {
		return time.Time{}, err
	}
	var last time.Time
	err := eventually.Wait(ctx, "all backends", func() error {
		pods, err := k.pods(ctx)
		if err != nil {
			return err
		}
		last = time.Time{}
		for i := range pods {
			if pods[i].Status.PodIP == "" {
				return fmt.Errorf("pod %s has no address yet", pods[i].Name)
			}
			at, err := openedAt(net.JoinHostPort(pods[i].Status.PodIP, backendPort))
			if err != nil {
				return err
			}
			if at.After(last) {
				last = at
			}
		}
		if len(pods) < k.count {
			return fmt.Errorf("%d of %d pods", len(pods), k.count)
		}
		return nil
	})
	return last, err
}

func (k *knative) rest(ctx context.Context) error {
	err := k.gate(ctx, nil)
	for _, s := range k.services {
		err = errors.Join(err, client.IgnoreNotFound(k.in.Client.Delete(ctx, s)))
	}
	k.services = nil
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return eventually.Wait(ctx, "the Services' pods to go", func() error {
		pods, err := k.pods(ctx)
		if err == nil && len(pods) > 0 {
			err = fmt.Errorf("%d are there", len(pods))
		}
		return err
	})
}

func (k *knative) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(
		k.memoryLimit(ctx, resource.NewQuantity(shippedMemory, resource.BinarySI).String()),
		k.in.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
}
