package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/org/vdi-operator/test/harness"
)

// stock is a request through stock Knative's activator. There is no ingress in
// between: the revision's own Service leads to the activator, which knows the
// revision by the host.
type stock struct {
	in      *harness.Installation
	service *servingv1.Service
	url     string
	host    string
}

func (s *stock) name() string { return nameKnative }

func (s *stock) setUp(ctx context.Context) error {
	s.service = &servingv1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "stock", Labels: map[string]string{"networking.knative.dev/visibility": "cluster-local"}},
		Spec: servingv1.ServiceSpec{ConfigurationSpec: servingv1.ConfigurationSpec{Template: servingv1.RevisionTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
				// The shortest window that Knative allows, so that a round ends soon.
				"autoscaling.knative.dev/window": "6s", "autoscaling.knative.dev/max-scale": "1",
			}},
			Spec: servingv1.RevisionSpec{PodSpec: backend(s.in.BenchImage)},
		}}},
	}
	if err := recreate(ctx, s.in.Client, s.service); err != nil {
		return err
	}
	err := harness.Eventually(ctx, "the stock service's revision", func() error {
		if err := s.in.Client.Get(ctx, client.ObjectKeyFromObject(s.service), s.service); err != nil {
			return err
		}
		if s.service.Status.LatestReadyRevisionName == "" {
			return errors.New("it is not ready yet")
		}
		return nil
	})
	if err != nil {
		return err
	}
	revision := s.service.Status.LatestReadyRevisionName
	var public corev1.Service
	if err := s.in.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: revision}, &public); err != nil {
		return err
	}
	s.url = "http://" + public.Spec.ClusterIP + "/"
	s.host = revision + "." + namespace + ".svc.cluster.local"
	return s.settle(ctx)
}

func (s *stock) wake(ctx context.Context) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return 0, err
	}
	req.Host = s.host
	transport := &http.Transport{DisableKeepAlives: true}
	began := time.Now()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	_, err = io.ReadAll(resp.Body)
	took := time.Since(began)
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("stock Knative answered %s", resp.Status)
	}
	return took, err
}

func (s *stock) settle(ctx context.Context) error {
	return noPods(ctx, s.in, client.MatchingLabels{"serving.knative.dev/service": s.service.Name})
}

// backend is the pod of the stock service and of the floor; that of a session has
// the same image and resources.
func backend(image string) corev1.PodSpec {
	no := false
	return corev1.PodSpec{
		AutomountServiceAccountToken: &no,
		EnableServiceLinks:           &no,
		Containers: []corev1.Container{{
			Name: "backend", Image: image, Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
			},
		}},
	}
}

func noPods(ctx context.Context, in *harness.Installation, labels client.MatchingLabels) error {
	return harness.Eventually(ctx, "no pods", func() error {
		var pods corev1.PodList
		if err := in.Client.List(ctx, &pods, client.InNamespace(namespace), labels); err != nil {
			return err
		}
		if n := len(pods.Items); n > 0 {
			return fmt.Errorf("%d are still there", n)
		}
		return nil
	})
}
