package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"knative.dev/serving/pkg/apis/autoscaling"

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
		service := harness.StockService(namespace, fmt.Sprintf("stock-%d", i), backend(s.in.BenchImage))
		service.Spec.Template.Annotations[autoscaling.WindowAnnotationKey] = asleepAgain.String()
		if err := s.in.Client.Create(ctx, service); err != nil {
			return err
		}
		ip, host, err := s.in.StockAtZero(ctx, service)
		if err != nil {
			return err
		}
		s.services = append(s.services, stockService{url: "http://" + ip + "/", host: host})
	}
	return nil
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
