// Package plain starts pods as plain Deployments do, with neither Knative nor an activator: the
// floor of a cold start.
package plain

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

// dialPause is as short as our activator's.
const dialPause = 20 * time.Millisecond

// Deployments are as many as were made, alike.
type Deployments struct {
	In        *harness.Installation
	Namespace string
	Pod       corev1.PodSpec
	// Port is where the pod's program listens.
	Port int
}

func nameOf(i int) string { return fmt.Sprintf("floor-%d", i) }

// Make makes n at zero, and waits until their controller has seen them.
func (d *Deployments) Make(ctx context.Context, n int) error {
	for i := range n {
		zero, labels := int32(0), map[string]string{"app": nameOf(i)}
		deployment := &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: nameOf(i)},
			Spec: appsv1.DeploymentSpec{Replicas: &zero, Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: d.Pod}},
		}
		if err := d.In.Client.Create(ctx, deployment); err != nil {
			return err
		}
		err := eventually.Wait(ctx, deployment.Name+" to be seen", func() error {
			if err := d.In.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment); err != nil {
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

// Start scales the i-th from 0 to 1, and returns where its port accepted TCP, and after how long.
func (d *Deployments) Start(ctx context.Context, i int) (address string, took time.Duration, err error) {
	// A watch from nowhere in particular may be refused; one from a listing is not.
	only := metav1.ListOptions{LabelSelector: "app=" + nameOf(i)}
	none, err := d.In.Kube.CoreV1().Pods(d.Namespace).List(ctx, only)
	if err != nil {
		return "", 0, err
	}
	only.ResourceVersion = none.ResourceVersion
	pods, err := d.In.Kube.CoreV1().Pods(d.Namespace).Watch(ctx, only)
	if err != nil {
		return "", 0, err
	}
	defer pods.Stop()
	began := time.Now()
	if err := d.scale(ctx, i, 1); err != nil {
		return "", 0, err
	}
	ip, err := ipOf(ctx, pods.ResultChan())
	if err != nil {
		return "", 0, err
	}
	address = net.JoinHostPort(ip, strconv.Itoa(d.Port))
	for {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return address, time.Since(began), conn.Close()
		}
		select {
		case <-ctx.Done():
			return "", 0, fmt.Errorf("dialling the floor's pod: %w", err)
		case <-time.After(dialPause):
		}
	}
}

// End scales the i-th back to 0.
func (d *Deployments) End(ctx context.Context, i int) error { return d.scale(ctx, i, 0) }

func (d *Deployments) scale(ctx context.Context, i, replicas int) error {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: nameOf(i)}}
	return d.In.Client.Patch(ctx, deployment, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)))
}

// ipOf is the first pod's, as soon as the API tells it.
func ipOf(ctx context.Context, events <-chan watch.Event) (string, error) {
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
