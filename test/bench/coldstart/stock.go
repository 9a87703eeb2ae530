package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
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
	in       *harness.Installation
	services []stockService
}

type stockService struct{ url, host string }

func (s *stock) name() string { return nameKnative }

func (s *stock) setUp(ctx context.Context, n int) error {
	for i := range n {
		service := &servingv1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("stock-%d", i),
				Labels: map[string]string{"networking.knative.dev/visibility": "cluster-local"}},
			Spec: servingv1.ServiceSpec{ConfigurationSpec: servingv1.ConfigurationSpec{Template: servingv1.RevisionTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
					"autoscaling.knative.dev/initial-scale": "0", "autoscaling.knative.dev/max-scale": "1",
					"autoscaling.knative.dev/window": asleepAgain.String(),
				}},
				Spec: servingv1.RevisionSpec{PodSpec: backend(s.in.BenchImage)},
			}}},
		}
		if err := s.in.Client.Create(ctx, service); err != nil {
			return err
		}
		at, err := s.atZero(ctx, service)
		if err != nil {
			return err
		}
		s.services = append(s.services, at)
	}
	return nil
}

// atZero waits until Knative has put the service to zero with its own activator in
// the way, and says where that is.
func (s *stock) atZero(ctx context.Context, service *servingv1.Service) (stockService, error) {
	var public corev1.Service
	err := harness.Eventually(ctx, "stock service "+service.Name, func() error {
		if err := s.in.Client.Get(ctx, client.ObjectKeyFromObject(service), service); err != nil {
			return err
		}
		revision := service.Status.LatestReadyRevisionName
		if revision == "" {
			return errors.New("it is not ready yet")
		}
		if err := s.in.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: revision}, &public); err != nil {
			return err
		}
		// The endpoints of a revision at zero are the activator's.
		var slices discoveryv1.EndpointSliceList
		if err := s.in.Client.List(ctx, &slices, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: revision}); err != nil {
			return err
		}
		for i := range slices.Items {
			if len(slices.Items[i].Endpoints) > 0 {
				return nil
			}
		}
		return errors.New("its endpoint is not Knative's activator yet")
	})
	return stockService{url: "http://" + public.Spec.ClusterIP + "/", host: public.Name + "." + namespace + ".svc.cluster.local"}, err
}

func (s *stock) wake(ctx context.Context, i int) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.services[i].url, nil)
	if err != nil {
		return 0, err
	}
	req.Host = s.services[i].host
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
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpuRequest), corev1.ResourceMemory: resource.MustParse(memoryLimit)},
				Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpuLimit), corev1.ResourceMemory: resource.MustParse(memoryLimit)},
			},
		}},
	}
}
