package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/test/harness"
)

const (
	backendPort = 8080
	// dialPause is as short as our activator's.
	dialPause = 20 * time.Millisecond
)

// plain is the floor: no Knative and no activator, only a Deployment.
type plain struct {
	in         *harness.Installation
	deployment *appsv1.Deployment
}

func (p *plain) name() string { return nameFloor }

func (p *plain) setUp(ctx context.Context) error {
	zero, labels := int32(0), map[string]string{"app": "floor"}
	p.deployment = &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "floor"},
		Spec: appsv1.DeploymentSpec{Replicas: &zero, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: backend(p.in.BenchImage)}},
	}
	if err := recreate(ctx, p.in.Client, p.deployment); err != nil {
		return err
	}
	return p.settle(ctx)
}

func (p *plain) wake(ctx context.Context) (time.Duration, error) {
	pods, err := p.in.Kube.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{LabelSelector: "app=floor"})
	if err != nil {
		return 0, err
	}
	defer pods.Stop()
	began := time.Now()
	if err := p.scale(ctx, 1); err != nil {
		return 0, err
	}
	ip, err := address(ctx, pods.ResultChan())
	if err != nil {
		return 0, err
	}
	for {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip, strconv.Itoa(backendPort)), time.Second)
		if err == nil {
			return time.Since(began), conn.Close()
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("dialling the floor's pod: %w", err)
		case <-time.After(dialPause):
		}
	}
}

// address is the first pod's, as soon as the API tells it.
func address(ctx context.Context, events <-chan watch.Event) (string, error) {
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case ev, ok := <-events:
			if !ok {
				return "", errors.New("the watch on the floor's pod ended")
			}
			if pod, is := ev.Object.(*corev1.Pod); is && pod.Status.PodIP != "" && pod.DeletionTimestamp == nil {
				return pod.Status.PodIP, nil
			}
		}
	}
}

func (p *plain) settle(ctx context.Context) error {
	if err := p.scale(ctx, 0); err != nil {
		return err
	}
	return noPods(ctx, p.in, client.MatchingLabels{"app": "floor"})
}

func (p *plain) scale(ctx context.Context, replicas int) error {
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas))
	return p.in.Client.Patch(ctx, p.deployment.DeepCopy(), patch)
}
