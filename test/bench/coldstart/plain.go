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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/pkg/eventually"
	"github.com/org/vdi-operator/test/harness"
)

const (
	backendPort = 8080
	// dialPause is as short as our activator's.
	dialPause = 20 * time.Millisecond
)

// plain is the floor: no Knative and no activator, only a Deployment.
type plain struct {
	in *harness.Installation
}

func (p *plain) name() string { return nameFloor }

func floorName(i int) string { return fmt.Sprintf("floor-%d", i) }

func (p *plain) setUp(ctx context.Context, n int) error {
	for i := range n {
		zero, labels := int32(0), map[string]string{"app": floorName(i)}
		deployment := &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: floorName(i)},
			Spec: appsv1.DeploymentSpec{Replicas: &zero, Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: backend(p.in.BenchImage)}},
		}
		if err := p.in.Client.Create(ctx, deployment); err != nil {
			return err
		}
		err := eventually.Wait(ctx, deployment.Name+" to be seen", func() error {
			if err := p.in.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment); err != nil {
				return err
			}
			if deployment.Status.ObservedGeneration == 0 {
				return errors.New("its controller has not seen it yet")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *plain) wake(ctx context.Context, i int) (time.Duration, error) {
	// A watch from nowhere in particular may be refused; one from a listing is not.
	only := metav1.ListOptions{LabelSelector: "app=" + floorName(i)}
	none, err := p.in.Kube.CoreV1().Pods(namespace).List(ctx, only)
	if err != nil {
		return 0, err
	}
	only.ResourceVersion = none.ResourceVersion
	pods, err := p.in.Kube.CoreV1().Pods(namespace).Watch(ctx, only)
	if err != nil {
		return 0, err
	}
	defer pods.Stop()
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: floorName(i)}}
	began := time.Now()
	if err := p.in.Client.Patch(ctx, deployment, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":1}}`))); err != nil {
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
			if ev.Type == watch.Error {
				return "", fmt.Errorf("watching the floor's pod: %w", apierrors.FromObject(ev.Object))
			}
			if pod, is := ev.Object.(*corev1.Pod); is && pod.Status.PodIP != "" && pod.DeletionTimestamp == nil {
				return pod.Status.PodIP, nil
			}
		}
	}
}
